/**
 * The durable consumer of an outlet. It is made anew each time somebody begins to read: from the first message that was not
 * acknowledged, so that what was under way at a crash, or was lost with a connection, comes again at once and in order, instead of
 * behind newer messages after `ack_wait`. A cursor in the alerts' bucket says where to go on when somebody deleted the consumer.
 */

import type { Nats } from '@fleetloom/shared/nats'
import { AckPolicy, DeliverPolicy, JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { nanos } from '@nats-io/nats-core'
import { z } from 'zod'

/** Messages that are delivered and not acknowledged: the bound of what an outlet has in hand. */
export const MOST_IN_HAND = 256
const ACK_WAIT_MS = 30_000

const cursor = z.object({
  version: z.string(),
  /** When the stream was made: sequences of another one mean nothing. */
  created: z.string(),
  /** Every message up to this one is settled. */
  seq: z.number().int(),
})

export type Position = { readonly stream: string; readonly durable: string; readonly filter: string }

const cursorKey = (durable: string): string => `cursor.${durable}`

const readCursor = async (kv: KV, durable: string, created: string): Promise<number> => {
  const entry = await kv.get(cursorKey(durable))
  const { data } = cursor.safeParse(entry?.operation === 'PUT' ? entry.json() : undefined)
  return data?.created === created ? data.seq : 0
}

export const writeCursor = async (kv: KV, durable: string, at: { created: string; seq: number }): Promise<void> => {
  await kv.put(cursorKey(durable), JSON.stringify({ version: '1.0', ...at }))
}

const ackFloor = async ({ jsm }: Nats, { stream, durable }: Position): Promise<number | undefined> => {
  try {
    return (await jsm.consumers.info(stream, durable)).ack_floor.stream_seq
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound) return undefined
    throw error
  }
}

/** Makes the consumer anew; resolves with the last settled message before it, and when the stream was made. */
export const openConsumer = async (
  nats: Nats,
  kv: KV,
  position: Position,
): Promise<{ readonly created: string; readonly seq: number }> => {
  const { stream, durable, filter } = position
  const { created } = await nats.jsm.streams.info(stream)
  const floor = await ackFloor(nats, position)
  const seq = floor ?? (await readCursor(kv, durable, created))
  if (floor !== undefined) {
    await writeCursor(kv, durable, { created, seq })
    await nats.jsm.consumers.delete(stream, durable)
  }
  await nats.jsm.consumers.add(stream, {
    durable_name: durable,
    filter_subject: filter,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: MOST_IN_HAND,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: seq + 1,
  })
  return { created, seq }
}
