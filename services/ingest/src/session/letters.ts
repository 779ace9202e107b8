/**
 * Messages that can't be stored: a dead letter for each, published before its PUBACK, and a word to the device, at most one
 * every few seconds each.
 */
import { createHash } from 'node:crypto'
import { namesOf } from '@fleetloom/crds/names'
import { filterFor } from '@fleetloom/shared/broker/acl'
import {
  type DeadLetter,
  deadLetterHeaders,
  KEPT_BYTES,
  MAX_LETTER_BYTES,
} from '@fleetloom/shared/dead-letters/dead-letter'
import { DEAD_LETTER_REASONS } from '@fleetloom/shared/dead-letters/reasons'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Rejection } from '@fleetloom/shared/rows/rejection'
import type { Account } from '../batch/budget.ts'
import type { Lane } from '../batch/lane.ts'
import { payloadBytes, topicText } from '../decode/message.ts'
import type { Ticket } from '../mqtt/ack-window.ts'
import type { Frame } from '../mqtt/frame.ts'

const DEVICE_SHOWN = 256

/** The device level of a message's topic, valid or not; '' when there is none. */
export const deviceText = ({ bytes, deviceStart, deviceEnd }: Frame): string =>
  deviceStart < 0 ? '' : bytes.toString('utf8', deviceStart, deviceEnd)

export const letterOf = (document: FleetDocument, frame: Frame, rejection: Rejection): DeadLetter => {
  const payload = payloadBytes(frame)
  return {
    fleet: { namespace: document.namespace, name: document.name },
    uid: document.uid,
    generation: document.generation,
    device: deviceText(frame).slice(0, DEVICE_SHOWN),
    topic: topicText(frame),
    stage: 'mqtt',
    ...rejection,
    arrivalMs: Math.floor(frame.arrivalMicros / 1000),
    payloadBytes: frame.cut?.payloadBytes ?? payload.length,
    payloadSha256: frame.cut?.sha256 ?? createHash('sha256').update(payload).digest('hex'),
  }
}

/** What is kept of the payload, in memory of its own. */
const bodyOf = (frame: Frame): Buffer => {
  const payload = payloadBytes(frame)
  const isWhole = frame.cut === undefined && payload.length <= MAX_LETTER_BYTES
  return Buffer.from(isWhole ? payload : payload.subarray(0, KEPT_BYTES))
}

export class Letters {
  readonly #lane: Lane
  readonly #account: Account
  readonly #settled: () => void

  constructor(options: { readonly lane: Lane; readonly account: Account; readonly settled: () => void }) {
    this.#lane = options.lane
    this.#account = options.account
    this.#settled = options.settled
  }

  send(document: FleetDocument, letter: DeadLetter, frame: Frame): Ticket {
    const ticket: Ticket = { done: false }
    const body = bodyOf(frame)
    this.#account.add(body.length)
    this.#lane.push({
      subject: namesOf(document.installation).deadSubject(letter.fleet, letter.reason),
      body,
      headers: deadLetterHeaders(letter),
      onStored: () => {
        this.#account.remove(body.length)
        ticket.done = true
        this.#settled()
      },
    })
    return ticket
  }
}

const FEEDBACK_EVERY_MS = 5_000
const MAX_DEVICES = 4_096

/** Tells devices of their rejected messages, each at most once in a while. */
export class Feedback {
  readonly #toldMs = new Map<string, number>()
  readonly #tell: (topic: string, payload: string) => void

  constructor(tell: (topic: string, payload: string) => void) {
    this.#tell = tell
  }

  send(document: FleetDocument, { device, reason, field, detail, topic, arrivalMs }: DeadLetter): void {
    const nowMs = performance.now()
    if (nowMs - (this.#toldMs.get(device) ?? Number.NEGATIVE_INFINITY) < FEEDBACK_EVERY_MS) return
    this.#toldMs.delete(device)
    this.#toldMs.set(device, nowMs)
    const [oldest] = this.#toldMs.keys()
    if (this.#toldMs.size > MAX_DEVICES && oldest !== undefined) this.#toldMs.delete(oldest)
    const word = {
      reason,
      field,
      hint: DEAD_LETTER_REASONS[reason],
      detail,
      topic,
      at: new Date(arrivalMs).toISOString(),
    }
    this.#tell(filterFor(document.topics.errors, device), JSON.stringify(word))
  }
}
