/**
 * What becomes of a message, whole: topic, size, device, then its content by the reference decoder. The hot path takes only
 * the messages about which there is no doubt; this is asked about all others, and about replayed ones.
 */
import { MAX_LETTER_BYTES } from '@fleetloom/shared/dead-letters/dead-letter'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { isRejection, type Rejection, reject } from '@fleetloom/shared/rows/rejection'
import { DeviceHash } from './device.ts'
import { decodeEvent } from './event.ts'
import type { Message } from './message.ts'
import type { Plan } from './plan.ts'
import { decodeObject, decodeScalar, type Row } from './reference.ts'
import { matchTopic, type TopicPattern } from './topic.ts'

/** A reading as a row and the shard it belongs to; an event as a row; or why it is neither. */
export type Verdict =
  | { readonly kind: 'row'; readonly row: Row; readonly shard: number }
  | { readonly kind: 'event'; readonly row: Row }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

/** Most that one message on the stream may hold. */
export const MOST_BYTES = MAX_LETTER_BYTES

const rejected = (rejection: Rejection): Verdict => ({ kind: 'rejected', rejection })
const device = new DeviceHash()

const find = (patterns: readonly TopicPattern[], message: Message): TopicPattern | undefined =>
  patterns.find((pattern) => matchTopic(pattern, message.bytes, message, message))

const checkDevice = (message: Message): Rejection | undefined => {
  const { bytes, deviceStart, deviceEnd } = message
  if (device.take(bytes, deviceStart, deviceEnd)) return undefined
  return reject('invalid_device', '', `${deviceEnd - deviceStart} bytes that are not a device id`)
}

const checkSize = (plan: Plan, size: number): Rejection | undefined => {
  const most = Math.min(plan.document.limits.payloadBytes, MOST_BYTES)
  return size > most ? reject('payload_too_large', '', `${size} bytes, and the limit is ${most}`) : undefined
}

const deviceOf = ({ bytes, deviceStart, deviceEnd }: Message): string =>
  bytes.toString('latin1', deviceStart, deviceEnd)

const judgeEvent = (plan: Plan, message: Message): Verdict => {
  const row = decodeEvent(plan, message, deviceOf(message))
  return isRejection(row) ? rejected(row) : { kind: 'event', row }
}

const judgeRow = (plan: Plan, message: Message, pattern: TopicPattern): Verdict => {
  const row = pattern.scalar ? decodeScalar(plan, message) : decodeObject(plan, message)
  if (isRejection(row)) return rejected(row)
  const size = Buffer.byteLength(row.line)
  if (size > MOST_BYTES) return rejected(reject('payload_too_large', '', `its row takes ${size} bytes`))
  return { kind: 'row', row, shard: shardOf(deviceOf(message), plan.shards) }
}

/** `size` is the length of the payload as it was sent, of which `message` may hold only the beginning. */
export const judge = (plan: Plan, message: Message, size: number): Verdict => {
  message.deviceStart = -1
  const telemetry = find(plan.telemetry, message)
  if (telemetry === undefined && find(plan.events, message) === undefined)
    return rejected(reject('unknown_topic', '', 'the topic is none of the fleet'))
  const fault = checkDevice(message) ?? checkSize(plan, size)
  if (fault) return rejected(fault)
  return telemetry ? judgeRow(plan, message, telemetry) : judgeEvent(plan, message)
}
