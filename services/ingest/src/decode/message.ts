import { viewOf } from '@fleetloom/shared/rows/digest'
import { type TopicParts, topicParts } from './topic.ts'

/**
 * One MQTT message where it lies: offsets into the buffer it arrived in. One object is reused for all messages of a session.
 * The byte behind the payload must belong to the buffer: the decoder puts a stop byte there while it reads.
 */
export type Message = TopicParts & {
  bytes: Buffer
  /** The same memory as `bytes`, from the same first byte. */
  view: DataView
  topicStart: number
  topicEnd: number
  payloadStart: number
  payloadEnd: number
  /** Given to a message that carries no timestamp; µs since the epoch, unique within the session. */
  arrivalMicros: number
}

const EMPTY = Buffer.alloc(1)

export const emptyMessage = (): Message => ({
  ...topicParts(),
  bytes: EMPTY,
  view: viewOf(EMPTY),
  topicStart: 0,
  topicEnd: 0,
  payloadStart: 0,
  payloadEnd: 0,
  arrivalMicros: 0,
})

/** A message laid out in a buffer of its own. */
export const messageFrom = (topic: string, payload: Uint8Array, arrivalMicros: number): Message => {
  const head = Buffer.from(topic)
  const bytes = Buffer.concat([head, payload, Buffer.alloc(1)])
  return {
    ...emptyMessage(),
    bytes,
    view: viewOf(bytes),
    topicEnd: head.length,
    payloadStart: head.length,
    payloadEnd: head.length + payload.length,
    arrivalMicros,
  }
}

export const topicText = ({ bytes, topicStart, topicEnd }: Message): string =>
  bytes.toString('utf8', topicStart, topicEnd)

/** The payload without a copy. */
export const payloadBytes = ({ bytes, payloadStart, payloadEnd }: Message): Buffer =>
  bytes.subarray(payloadStart, payloadEnd)
