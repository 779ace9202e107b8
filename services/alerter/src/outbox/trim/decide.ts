/**
 * Which transitions leave the alert stream. It refuses new ones when it is full, so that none is lost that was not told; the owner of
 * the MQTT lane makes the room. Above `HIGH_WATER` of its bytes the oldest go until `LOW_WATER` is reached, but
 *
 * 1. none that an outlet has not settled,
 * 2. none that a shard might find again: a restarted shard goes on from its checkpoint, and what it finds anew is known as a repeat by
 *    the message that is there. So what is younger than `KEPT_MS`, or than the oldest checkpoint, stays.
 *
 * How many go is estimated from the mean size; an estimate that falls short is corrected by the next check.
 */

export const HIGH_WATER = 0.5
export const LOW_WATER = 0.3

const MINUTE_MS = 60_000
const KEPT_MS = 15 * MINUTE_MS
/** What a checkpoint does not hold may have been published while it was being written. */
const WRITING_MS = 10 * MINUTE_MS

/** What was published after this time is to be kept, ms since the epoch. `checkpointsMs`: when that of each shard was written. */
export const keepFromMs = (nowMs: number, checkpointsMs: readonly number[], keptMs = KEPT_MS): number =>
  checkpointsMs.reduce((least, ms) => Math.min(least, ms - WRITING_MS), nowMs - keptMs)

export type AlertStreamFacts = {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly bytes: number
  readonly maxBytes: number
  /** The first that an outlet has not settled; `lastSeq + 1` when there is none. */
  readonly waitingSeq: number
  /** The first that is to be kept for its time; `lastSeq + 1` when there is none. */
  readonly keepSeq: number
}

export const isFull = ({ bytes, maxBytes }: Pick<AlertStreamFacts, 'bytes' | 'maxBytes'>): boolean =>
  bytes > maxBytes * HIGH_WATER

/** Sequence of the first message to keep; undefined when there is nothing to delete. */
export const firstKept = (facts: AlertStreamFacts): number | undefined => {
  const { firstSeq, lastSeq, bytes, maxBytes, waitingSeq, keepSeq } = facts
  if (lastSeq < firstSeq || !isFull(facts)) return undefined
  const meanBytes = bytes / (lastSeq - firstSeq + 1)
  const wanted = firstSeq + Math.ceil((bytes - maxBytes * LOW_WATER) / meanBytes)
  const kept = Math.min(wanted, waitingSeq, keepSeq, lastSeq + 1)
  return kept > firstSeq ? kept : undefined
}
