/**
 * The durable consumer of an outlet. It is made anew each time somebody begins to read: from the first message that was not
 * acknowledged, so that what was under way at a crash, or was lost with a connection, comes again at once and in order, instead of
 * behind newer messages after `ack_wait`. A cursor in the alerts' bucket says where to go on when somebody deleted the consumer; when
 * somebody deleted the cursor, everything that the stream holds is read again. So a cursor is only written over the one that is known.
 */
import { cursorKey } from '@fleetloom/shared/alerts/history-lanes'
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

type Cursor = {
  readonly seq: number
  readonly revision: number
  /** Somebody deleted it: everything is to be read again. */
  readonly isReset: boolean
}

const readCursor = async (kv: KV, durable: string, created: string): Promise<Cursor> => {
  const entry = await kv.get(cursorKey(durable))
  const isReset = entry !== null && entry.operation !== 'PUT'
  const { data } = cursor.safeParse(entry === null || isReset ? undefined : entry.json())
  return { seq: data?.created === created ? data.seq : 0, revision: entry?.revision ?? 0, isReset }
}

/** Writes over the revision that is known, and gives the new one. @throws JetStreamApiError when somebody changed it meanwhile. */
export const writeCursor = (
  kv: KV,
  durable: string,
  { revision, ...at }: { created: string; seq: number; revision: number },
): Promise<number> => kv.put(cursorKey(durable), JSON.stringify({ version: '1.0', ...at }), { previousSeq: revision })

const ackFloor = async ({ jsm }: Nats, { stream, durable }: Position): Promise<number | undefined> => {
  try {
    return (await jsm.consumers.info(stream, durable)).ack_floor.stream_seq
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound) return undefined
    throw error
  }
}

/** Where a reader begins. */
export type Opened = Cursor & {
  /** When the stream was made. */
  readonly created: string
}

/** Makes the consumer anew, to begin after the last message that was settled before it. */
export const openConsumer = async (nats: Nats, kv: KV, position: Position): Promise<Opened> => {
  const { stream, durable, filter } = position
  const { created } = await nats.jsm.streams.info(stream)
  const known = await readCursor(kv, durable, created)
  const floor = await ackFloor(nats, position)
  const seq = known.isReset ? 0 : (floor ?? known.seq)
  const isNews = floor !== undefined && !known.isReset
  const revision = isNews ? await writeCursor(kv, durable, { created, seq, revision: known.revision }) : known.revision
  if (floor !== undefined) await nats.jsm.consumers.delete(stream, durable)
  await nats.jsm.consumers.add(stream, {
    durable_name: durable,
    filter_subject: filter,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: MOST_IN_HAND,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: seq + 1,
  })
  return { created, seq, revision, isReset: known.isReset }
}
