/**
 * The reference decoder: what a message means, written for reading. It takes every message that the fast decoder
 * declines, and it alone says why one can't be a row. Faults are looked for in this order: the JSON, the timestamp, the
 * measurements in the order of the schema; the first one found is the reason.
 */
import { Digest } from '@fleetloom/shared/rows/digest'
import { parseJson, utf8Text } from '@fleetloom/shared/rows/json'
import { escapeName, quotedText } from '@fleetloom/shared/rows/line-protocol'
import { isRejection, type Rejection, reject } from '@fleetloom/shared/rows/rejection'
import { type Stamp, timeOf } from '@fleetloom/shared/rows/time-of'
import { type Message, payloadBytes } from './message.ts'
import type { Field, Plan } from './plan.ts'
import { check } from './schema.ts'

export type Row = {
  readonly line: string
  /** Time of the row, µs since the epoch, and whether the message carried it. */
  readonly micros: number
  readonly timed: boolean
  /** Keys of the message that the fleet does not declare. */
  readonly unknown: readonly string[]
}

type Reading = { readonly values: ReadonlyMap<Field, unknown>; readonly micros: number; readonly timed: boolean }
type JsonObject = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Time and values of a message; `values` holds what it says of each field, null and undefined for nothing. */
const readingOf = (
  plan: Plan,
  message: Message,
  values: ReadonlyMap<Field, unknown>,
  stamp: Stamp,
): Reading | Rejection => {
  const timed = stamp.value !== undefined && stamp.value !== null
  const time = timed ? timeOf(plan.document.payload, message.arrivalMicros, stamp) : { micros: message.arrivalMicros }
  if (isRejection(time)) return time
  const given = new Map([...values].filter(([, value]) => value !== undefined && value !== null))
  for (const [field, value] of given) {
    const fault = check(field, value)
    if (fault) return fault
  }
  if (given.size === 0) return reject('no_measurement', '', 'the message holds none of the declared measurements')
  return { values: given, micros: time.micros, timed }
}

const encode = (field: Field, value: unknown): string => {
  if (field.type === 'Symbol') return escapeName((value as string).toWellFormed())
  if (field.type === 'String') return quotedText(value as string)
  if (field.type === 'Boolean') return value ? 't' : 'f'
  return field.type === 'Long' ? `${value}i` : String(value)
}

export const digestOf = ({ view, topicStart, topicEnd, payloadStart, payloadEnd }: Message): bigint => {
  const digest = new Digest()
  digest.topic(view, topicStart, topicEnd)
  digest.payload(view, payloadStart, payloadEnd)
  return digest.value
}

const rowOf = (plan: Plan, message: Message, { values, micros, timed }: Reading, unknown: readonly string[]): Row => {
  const device = message.bytes.toString('latin1', message.deviceStart, message.deviceEnd)
  const part = (fields: readonly Field[]) =>
    fields.filter((field) => values.has(field)).map((field) => field.label + encode(field, values.get(field)))
  const columns = [...part(plan.values), `,digest=${digestOf(message)}i`].join('').slice(1)
  const line = `${plan.head}${device}${part(plan.symbols).join('')} ${columns} ${micros}000\n`
  return { line, micros, timed, unknown }
}

/** Row of a JSON object whose keys are measurements. */
export const decodeObject = (plan: Plan, message: Message): Row | Rejection => {
  const { timestampField } = plan.document.payload
  const text = utf8Text(payloadBytes(message))
  if (text === undefined) return reject('malformed_json', '', 'the payload is not UTF-8')
  const parsed = parseJson(text, timestampField)
  if (isRejection(parsed)) return parsed
  const { value: object } = parsed
  if (!isObject(object)) return reject('not_an_object', '', 'the payload is JSON but not an object')
  const declared = plan.fields.filter(({ name }) => name !== timestampField)
  const values = new Map(declared.map((field) => [field, own(object, field.name)]))
  const reading = readingOf(plan, message, values, {
    value: own(object, timestampField),
    source: parsed.sourceIn(object),
  })
  if (isRejection(reading)) return reading
  const known = new Set([...declared.map(({ name }) => name), timestampField])
  return rowOf(
    plan,
    message,
    reading,
    Object.keys(object).filter((key) => !known.has(key)),
  )
}

const own = (object: JsonObject, key: string): unknown => (Object.hasOwn(object, key) ? object[key] : undefined)

/** What a scalar message says: its value, and its timestamp if it is in the object form. */
const scalarOf = (
  plan: Plan,
  field: Field,
  text: string,
): { value: unknown; stamp: Stamp; keys: string[] } | Rejection => {
  const isText = field.type === 'Symbol' || field.type === 'String'
  const parsed = parseJson(text, plan.document.payload.timestampField)
  const bare = (value: unknown) => ({ value, stamp: { value: undefined, source: '' }, keys: [] })
  if (isRejection(parsed)) return isText && !/^\s*([{["]|$)/.test(text) ? bare(text) : parsed
  const { value: object } = parsed
  if (!isObject(object))
    return bare(isText && (typeof object === 'number' || typeof object === 'boolean') ? text : object)
  const { timestampField } = plan.document.payload
  return {
    value: own(object, 'value'),
    stamp: { value: own(object, timestampField), source: parsed.sourceIn(object) },
    keys: Object.keys(object).filter((key) => key !== 'value' && key !== timestampField),
  }
}

/** Row of one value of the measurement that the topic names. */
export const decodeScalar = (plan: Plan, message: Message): Row | Rejection => {
  const name = message.bytes.toString('utf8', message.measurementStart, message.measurementEnd)
  const field = plan.fields.find((candidate) => candidate.name === name)
  if (field === undefined) return reject('unknown_measurement', name, `the fleet declares no measurement ${name}`)
  const text = utf8Text(payloadBytes(message))
  if (text === undefined) return reject('malformed_json', name, 'the payload is not UTF-8')
  const scalar = scalarOf(plan, field, text)
  if (isRejection(scalar)) return { ...scalar, field: name }
  const reading = readingOf(plan, message, new Map([[field, scalar.value]]), scalar.stamp)
  return isRejection(reading) ? reading : rowOf(plan, message, reading, scalar.keys)
}
