/**
 * A batch: the body of one message on a fleet's telemetry subject. The body is InfluxDB line protocol, one row a line, every
 * line ending in `\n`, timestamps in nanoseconds; all rows are of one fleet and one shard.
 *
 *     coldchain_reefers,device=reefer-7,door=open temperature=4.5,digest=123456789i 1700000000000000000\n
 */
import { headers, type MsgHdrs } from '@nats-io/nats-core'

/** Bounds of one batch. It is flushed by whichever comes first. */
export const BATCH_LIMITS = { rows: 1000, bytes: 512 * 1024 } as const

export const BATCH_HEADERS = {
  rows: 'Fleetloom-Rows',
  /** Smallest and largest row timestamp, µs since the epoch. */
  first: 'Fleetloom-First',
  last: 'Fleetloom-Last',
  uid: 'Fleetloom-Uid',
  generation: 'Fleetloom-Generation',
  /**
   * Progress mark, ms since the epoch: every reading the broker accepted for this shard before it stands in the stream
   * before this message. A message may carry a mark and no rows.
   */
  progress: 'Fleetloom-Progress',
  /** Present when the fleet has several ingest sessions: the mark is of this one, the shard's is the least over all. */
  session: 'Fleetloom-Session',
  /** Sampled traces of messages in this batch: W3C traceparents, comma separated, at most 16. */
  traceLinks: 'Fleetloom-Trace-Links',
} as const

export type BatchInfo = {
  readonly rows: number
  readonly firstMicros: number
  readonly lastMicros: number
  readonly uid: string
  readonly generation: number
  readonly progressMs?: number
  readonly session?: number
  readonly traceLinks: readonly string[]
}

export const batchHeaders = (info: BatchInfo): MsgHdrs => {
  const h = headers()
  h.set(BATCH_HEADERS.rows, String(info.rows))
  h.set(BATCH_HEADERS.first, String(info.firstMicros))
  h.set(BATCH_HEADERS.last, String(info.lastMicros))
  h.set(BATCH_HEADERS.uid, info.uid)
  h.set(BATCH_HEADERS.generation, String(info.generation))
  if (info.progressMs !== undefined) h.set(BATCH_HEADERS.progress, String(info.progressMs))
  if (info.session !== undefined) h.set(BATCH_HEADERS.session, String(info.session))
  if (info.traceLinks.length > 0) h.set(BATCH_HEADERS.traceLinks, info.traceLinks.join(','))
  return h
}

/** Reads the headers of a batch; undefined when they are not those of a batch. */
export const batchInfo = (h: MsgHdrs | undefined): BatchInfo | undefined => {
  const uid = h?.get(BATCH_HEADERS.uid)
  if (!h || !uid) return undefined
  const progress = h.get(BATCH_HEADERS.progress)
  const session = h.get(BATCH_HEADERS.session)
  const links = h.get(BATCH_HEADERS.traceLinks)
  return {
    rows: Number(h.get(BATCH_HEADERS.rows)),
    firstMicros: Number(h.get(BATCH_HEADERS.first)),
    lastMicros: Number(h.get(BATCH_HEADERS.last)),
    uid,
    generation: Number(h.get(BATCH_HEADERS.generation)),
    ...(progress ? { progressMs: Number(progress) } : {}),
    ...(session ? { session: Number(session) } : {}),
    traceLinks: links ? links.split(',') : [],
  }
}
