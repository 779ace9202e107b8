/**
 * An event: what happened at a device, as a JSON object. Null is absent. Faults are looked for in this order: the JSON, the
 * timestamp, the fields in the order of the schema; the first one found is the reason.
 *
 *     {"type": "login_failed", "severity": "high", "user": "kim", "address": "10.0.0.7", "metadata": {"tries": 3}, "ts": 1700000000000}
 */
import type { FleetDocument } from '../pipeline/fleet-document.ts'
import type { Json } from '../rows/json.ts'
import { isRejection, type Rejection, reject } from '../rows/rejection.ts'
import { type Stamp, timeOf } from '../rows/time-of.ts'

export const EVENT_SEVERITIES = ['low', 'medium', 'high', 'critical'] as const
export type EventSeverity = (typeof EVENT_SEVERITIES)[number]

export const EVENT_TYPE = /^[A-Za-z0-9_.-]{1,64}$/

/** Types of the events by which the platform tells changes of presence. Nobody else may, and nobody is heard by them. */
export const PRESENCE_EVENTS = { online: 'device_online', offline: 'device_offline' } as const

export const isPresenceEvent = (type: string): boolean =>
  type === PRESENCE_EVENTS.online || type === PRESENCE_EVENTS.offline

/** Longest user or address, in UTF-8 bytes. */
export const MAX_EVENT_TEXT_BYTES = 256
/** Largest metadata as compact JSON, in UTF-8 bytes. */
export const MAX_METADATA_BYTES = 8 * 1024

export type DeviceEvent = {
  readonly type: string
  readonly severity: EventSeverity
  readonly user?: string
  readonly address?: string
  /** Compact JSON of an object. */
  readonly metadata?: string
  /** Time of the event, µs since the epoch, and whether the event carried it. */
  readonly micros: number
  readonly timed: boolean
  /** Fields that no event has. */
  readonly unknown: readonly string[]
}

type JsonObject = Readonly<Record<string, unknown>>
type Rules = FleetDocument['payload']

const FIELDS: ReadonlySet<string> = new Set(['type', 'severity', 'user', 'address', 'metadata'])
const DEFAULT_TIME_FIELD = 'ts'

/** Field that holds the time of an event: the fleet's, unless an event has another use for that name. */
export const eventTimeField = ({ timestampField }: Pick<Rules, 'timestampField'>): string =>
  FIELDS.has(timestampField) ? DEFAULT_TIME_FIELD : timestampField

const own = (object: JsonObject, key: string): unknown =>
  Object.hasOwn(object, key) ? (object[key] ?? undefined) : undefined

const bad = (field: string, detail: string): Rejection => reject('invalid_event', field, detail)

const show = (value: unknown): string => {
  const text = typeof value === 'object' ? 'an object or list' : JSON.stringify(value)
  return text.length > 64 ? `${text.slice(0, 64)}…` : text
}

const typeFault = (value: unknown): Rejection | undefined => {
  if (typeof value === 'string' && EVENT_TYPE.test(value))
    return isPresenceEvent(value) ? bad('type', `${value} is told by the platform alone; use another type`) : undefined
  const given = value === undefined ? 'it is missing' : `${show(value)} is not one`
  return bad('type', `an event has a type of 1 to 64 letters, digits, '_', '.' and '-'; ${given}`)
}

const severityFault = (value: unknown): Rejection | undefined => {
  if (value === undefined || EVENT_SEVERITIES.some((severity) => severity === value)) return undefined
  return bad('severity', `${show(value)} is none of ${EVENT_SEVERITIES.join(', ')}`)
}

/** Whether a text takes at most so many bytes in UTF-8; a unit of a text takes at most three. */
const fits = (text: string, bytes: number): boolean => text.length * 3 <= bytes || Buffer.byteLength(text) <= bytes

const textFault = (field: string, value: unknown): Rejection | undefined => {
  if (value === undefined) return undefined
  if (typeof value !== 'string') return bad(field, `${show(value)} is not a text`)
  if (fits(value, MAX_EVENT_TEXT_BYTES)) return undefined
  return bad(field, `the text is longer than ${MAX_EVENT_TEXT_BYTES} bytes`)
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const metadataOf = (value: unknown): { readonly metadata?: string } | Rejection => {
  if (value === undefined) return {}
  if (!isObject(value)) return bad('metadata', `${show(value)} is not an object`)
  const metadata = compact(value)
  if (metadata !== undefined && fits(metadata, MAX_METADATA_BYTES)) return { metadata }
  return bad('metadata', `as compact JSON it is larger than ${MAX_METADATA_BYTES} bytes`)
}

/** Undefined for what is nested deeper than the stack; such a text is too long in any case. */
const compact = (value: JsonObject): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

const timeIn = (
  rules: Rules,
  arrivalMicros: number,
  stamp: Stamp,
): Pick<DeviceEvent, 'micros' | 'timed'> | Rejection => {
  if (stamp.value === undefined) return { micros: arrivalMicros, timed: false }
  const timestampField = eventTimeField(rules)
  const ofEvents = timestampField === rules.timestampField ? rules : { ...rules, timestampField }
  const time = timeOf(ofEvents, arrivalMicros, stamp)
  return isRejection(time) ? time : { ...time, timed: true }
}

/**
 * The event that one object of `json` is, or why it is none. `json` was parsed with `eventTimeField`; an event without a time
 * happened at `arrivalMicros`.
 */
export const eventOf = (
  object: unknown,
  json: Json,
  { payload: rules, arrivalMicros }: { readonly payload: Rules; readonly arrivalMicros: number },
): DeviceEvent | Rejection => {
  if (!isObject(object)) return bad('', 'it is JSON but not an object')
  const timeField = eventTimeField(rules)
  const time = timeIn(rules, arrivalMicros, { value: own(object, timeField), source: json.sourceIn(object) })
  if (isRejection(time)) return time
  const type = own(object, 'type')
  const severity = own(object, 'severity')
  const user = own(object, 'user')
  const address = own(object, 'address')
  const fault = typeFault(type) ?? severityFault(severity) ?? textFault('user', user) ?? textFault('address', address)
  if (fault) return fault
  const open = metadataOf(own(object, 'metadata'))
  if (isRejection(open)) return open
  return {
    type: type as string,
    severity: (severity ?? 'low') as EventSeverity,
    ...(user !== undefined && { user: user as string }),
    ...(address !== undefined && { address: address as string }),
    ...open,
    ...time,
    unknown: Object.keys(object).filter((key) => key !== timeField && !FIELDS.has(key)),
  }
}
