/** How full a stream is with readings that the database has not taken, and how long the rest lasts at the current rate. */
import type { ConsumerInfo, StreamInfo } from '@nats-io/jetstream'
import type { Forecast } from '../forecast.ts'
import type { StreamWant } from './shape.ts'

export type StreamLevel = {
  /** Share of `maxBytes` held by what the writer has not acknowledged, 0..1. */
  readonly unread: number
  readonly unreadBytes: number
  readonly unreadMessages: number
}

/** From this share on the fleet says so. */
const ALARM = 0.5

/** Bytes are counted for the stream as a whole; what is unread has its share of them by number of messages. */
export const levelOf = (want: StreamWant, stream: StreamInfo, consumer: ConsumerInfo): StreamLevel => {
  const unreadMessages = consumer.num_pending + consumer.num_ack_pending
  const { bytes, messages } = stream.state
  const unreadBytes = messages === 0 ? 0 : Math.round((bytes * Math.min(unreadMessages, messages)) / messages)
  return { unread: unreadBytes / want.maxBytes, unreadBytes, unreadMessages }
}

/** The words of the condition StreamFilling; undefined while there is room. */
export const fillingText = (
  forecast: Forecast,
  want: StreamWant,
  level: StreamLevel,
  nowMs: number,
): string | undefined => {
  forecast.sample(level.unreadBytes, nowMs)
  if (level.unread < ALARM) return undefined
  return (
    `stream ${want.name} is ${Math.round(level.unread * 20) * 5} % full with readings the database has not taken; ` +
    `it ${forecast.text(want.maxBytes)}. When it is full, readings wait in the broker. Is the writer running, does QuestDB answer?`
  )
}
