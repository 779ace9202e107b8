/**
 * A dead letter: a message on `dead.<ns>.<name>.<reason>` whose body is what the rejecting stage received and whose headers
 * say the rest. `mqtt` letters hold an MQTT payload and replay through ingest; `row` letters hold one line of line
 * protocol and replay onto the fleet's telemetry subject; `notification` letters hold what a receiver was to hear, and can't be
 * replayed. A payload beyond `KEPT_BYTES` is cut; such a letter can't be replayed either.
 */

import type { Ref } from '@fleetloom/crds/names'
import { headers, type MsgHdrs } from '@nats-io/nats-core'
import type { DeadLetterReason } from './reasons.ts'

/** Longest payload that is kept whole: the stream's message limit leaves room for headers. */
export const MAX_LETTER_BYTES = 900 * 1024
/** What is kept of a longer one. */
export const KEPT_BYTES = 64 * 1024

export type DeadLetter = {
  readonly fleet: Ref
  readonly uid: string
  readonly generation: number
  /** As received, so possibly not a valid id; at most 256 characters. */
  readonly device: string
  /** MQTT topic for `mqtt`, NATS subject for `row`, kind and address of the receiver for `notification`. */
  readonly topic: string
  readonly stage: 'mqtt' | 'row' | 'notification'
  readonly reason: DeadLetterReason
  /** JSON path or measurement at fault, or '' */
  readonly field: string
  readonly detail: string
  /** When the message arrived at ingest, ms since the epoch. A replay uses it as the arrival time, so it is safe to repeat. */
  readonly arrivalMs: number
  /** Length and SHA-256 (hex) of the whole payload. */
  readonly payloadBytes: number
  readonly payloadSha256: string
}

const text = ['uid', 'device', 'topic', 'stage', 'reason', 'field', 'detail', 'payloadSha256'] as const
const numbers = ['generation', 'arrivalMs', 'payloadBytes'] as const
const headerOf = (field: string): string =>
  `Fleetloom-${field.replace(/[A-Z]/g, '-$&').replace(/^./, (c) => c.toUpperCase())}`

/** Headers hold visible ASCII only, so text is percent-encoded; lone surrogates are replaced first. */
const encode = (value: string): string => encodeURIComponent(value.toWellFormed().slice(0, 1024).toWellFormed())

export const deadLetterHeaders = (letter: DeadLetter): MsgHdrs => {
  const h = headers()
  h.set('Fleetloom-Namespace', letter.fleet.namespace)
  h.set('Fleetloom-Fleet', letter.fleet.name)
  for (const field of text) h.set(headerOf(field), encode(letter[field]))
  for (const field of numbers) h.set(headerOf(field), String(letter[field]))
  return h
}

/** Reads a dead letter's headers; undefined when they are not those of one. */
export const deadLetterOf = (h: MsgHdrs | undefined): DeadLetter | undefined => {
  if (!h?.has('Fleetloom-Reason')) return undefined
  const read = (field: string) => decodeURIComponent(h.get(headerOf(field)))
  return {
    fleet: { namespace: h.get('Fleetloom-Namespace'), name: h.get('Fleetloom-Fleet') },
    uid: read('uid'),
    generation: Number(read('generation')),
    device: read('device'),
    topic: read('topic'),
    stage: read('stage') as DeadLetter['stage'],
    reason: read('reason') as DeadLetterReason,
    field: read('field'),
    detail: read('detail'),
    arrivalMs: Number(read('arrivalMs')),
    payloadBytes: Number(read('payloadBytes')),
    payloadSha256: read('payloadSha256'),
  }
}
