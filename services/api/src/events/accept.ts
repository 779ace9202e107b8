/**
 * Events posted to the API: one object or a list, each an event as devices send it and, beside that, its `device`. All become the
 * rows of one batch, so the stream has all of them or none. Pure.
 *
 * A row's digest is made of the whole body and the place in it: the same body sent again, its events with timestamps, is the same rows.
 */
import { DEVICE_ID, label } from '@fleetloom/crds/names'
import { eventOf, eventTimeField } from '@fleetloom/shared/events/event'
import { eventHead, eventLine } from '@fleetloom/shared/events/row'
import { BATCH_LIMITS } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { digestOf } from '@fleetloom/shared/rows/digest'
import { type Json, parseJson, utf8Text } from '@fleetloom/shared/rows/json'
import { isRejection } from '@fleetloom/shared/rows/rejection'
import { type Fault, Problem } from '../http/problem.ts'

export type AcceptedEvent = {
  readonly device: string
  /** Time of the event, µs since the epoch. */
  readonly micros: number
  readonly digest: bigint
  readonly line: string
}

export type Posted = {
  readonly body: Uint8Array
  readonly document: FleetDocument
  /** Time of a first event without a timestamp; the next one's is a microsecond later. µs since the epoch. */
  readonly arrivalMicros: number
}

/** Most events of one request: what a batch holds. */
export const MOST_EVENTS = BATCH_LIMITS.rows

const MOST_FAULTS = 20
const NEXT = 'Correct what is named and send all again: nothing of it was stored.'

/** The problem that names each bad event by its place in the list. */
export const refused = (faults: readonly Fault[]): Problem => {
  const errors = faults.slice(0, MOST_FAULTS)
  const more = faults.length > errors.length ? `; and ${faults.length - errors.length} more` : ''
  const named = errors.map(({ field, reason }) => (field === '' ? reason : `${field}: ${reason}`)).join('; ')
  return new Problem('invalid-request', `body: ${named}${more}`, { errors, next: NEXT })
}

const fault = (field: string, reason: string): Problem => refused([{ field, reason }])

const parsed = (body: Uint8Array, document: FleetDocument): Json => {
  const text = utf8Text(body)
  if (text === undefined) throw fault('', 'it is not UTF-8')
  const json = parseJson(text, eventTimeField(document.payload))
  if (isRejection(json)) throw fault('', `it is not JSON: ${json.detail}`)
  return json
}

const itemsOf = ({ value }: Json): readonly unknown[] => {
  if (!Array.isArray(value)) return [value]
  if (value.length === 0) throw fault('', 'the list is empty; send at least one event')
  if (value.length > MOST_EVENTS) throw fault('', `${value.length} events, and at most ${MOST_EVENTS} go at a time`)
  return value
}

/** Where an event stands in the body. */
export const placeOf = (isList: boolean, index: number, field: string): string =>
  [...(isList ? [String(index)] : []), ...(field === '' ? [] : [field])].join('.')

type Read = { readonly accepted: AcceptedEvent } | { readonly faults: readonly Omit<Fault, 'value'>[] }

const deviceIn = (item: unknown): string => {
  const device = (item as { device?: unknown } | null)?.device
  return typeof device === 'string' && DEVICE_ID.test(device) ? device : ''
}

const readItem = (item: unknown, index: number, json: Json, { body, document, arrivalMicros }: Posted): Read => {
  const event = eventOf(item, json, { payload: document.payload, arrivalMicros: arrivalMicros + index })
  if (isRejection(event)) return { faults: [{ field: event.field, reason: event.detail }] }
  const device = deviceIn(item)
  if (device === '') return { faults: [{ field: 'device', reason: 'an event posted here names its device by its id' }] }
  const unknown = event.unknown.filter((field) => field !== 'device')
  if (unknown.length > 0) return { faults: unknown.map((field) => ({ field, reason: 'there is no such field' })) }
  const digest = digestOf(Buffer.from(`POST ${label(document)}`), body, index)
  return {
    accepted: { device, micros: event.micros, digest, line: eventLine(eventHead(document), event, { device, digest }) },
  }
}

/** The events of a body, in its order. @throws Problem that names every bad one. */
export const acceptEvents = (
  posted: Posted,
): { readonly events: readonly AcceptedEvent[]; readonly isList: boolean } => {
  const json = parsed(posted.body, posted.document)
  const isList = Array.isArray(json.value)
  const read = itemsOf(json).map((item, index) => readItem(item, index, json, posted))
  const faults = read.flatMap((one, index) =>
    'faults' in one ? one.faults.map(({ field, reason }) => ({ field: placeOf(isList, index, field), reason })) : [],
  )
  if (faults.length > 0) throw refused(faults)
  const events = read.flatMap((one) => ('accepted' in one ? [one.accepted] : []))
  const size = events.reduce((sum, { line }) => sum + Buffer.byteLength(line), 0)
  if (size > BATCH_LIMITS.bytes)
    throw new Problem('too-large', `the events take ${size} bytes as rows, and ${BATCH_LIMITS.bytes} go at a time`, {
      next: 'Send fewer at a time.',
    })
  return { events, isList }
}
