/**
 * Which consumed messages leave the stream. The stream has no age limit and refuses new messages when full, so that the
 * server never deletes an unread one; the writer makes the room:
 *
 * 1. The bound: nothing at or above the first message that the writer has not acknowledged is ever deleted.
 * 2. By age: messages older than `keepMs` go.
 * 3. By fill: above `HIGH_WATER` of the stream's bytes, the oldest go until `LOW_WATER` is reached, young as they may be: room for
 *    new readings comes before history for other readers. How many that is, is estimated from the mean size; an
 *    estimate that falls short is corrected by the next check.
 *
 * Other readers (alert rules) are not waited for: one that stalls for longer than `keepMs`, or than the room lasts, loses what it has
 * not read.
 */

export const HIGH_WATER = 0.7
export const LOW_WATER = 0.5

export type StreamFacts = {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly bytes: number
  readonly maxBytes: number
  /** Every message up to this one has been acknowledged by the writer. */
  readonly ackFloor: number
  /** First message younger than `keepMs`; `lastSeq + 1` when there is none. */
  readonly keepSeq: number
}

const firstKeptByFill = ({ firstSeq, lastSeq, bytes, maxBytes }: StreamFacts): number => {
  if (bytes <= maxBytes * HIGH_WATER) return firstSeq
  const meanBytes = bytes / (lastSeq - firstSeq + 1)
  return firstSeq + Math.ceil((bytes - maxBytes * LOW_WATER) / meanBytes)
}

/** Sequence of the first message to keep; undefined when there is nothing to delete. */
export const firstKept = (facts: StreamFacts): number | undefined => {
  const { firstSeq, lastSeq, ackFloor, keepSeq } = facts
  if (lastSeq < firstSeq) return undefined
  const wanted = Math.max(keepSeq, firstKeptByFill(facts))
  const kept = Math.min(wanted, ackFloor + 1, lastSeq + 1)
  return kept > firstSeq ? kept : undefined
}
