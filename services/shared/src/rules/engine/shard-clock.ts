/**
 * The shard's clock: progress marks, never the wall clock. It is the least mark over the fleet's ingest sessions, and moves only
 * forward. Silence is measured on a second count that stands still while marks are more than 30 s apart: such a gap is an
 * outage of ours, in which nobody could be heard. Both counts start at 0 with the first mark.
 *
 * Marks are seconds apart, and none comes while ingest drains a backlog, so a row may be much younger than the mark in force. Where a count
 * stood when a row was stored is therefore told from the row's own time in the stream (`storing`, `hearing`, `heardAt`). Marks are of
 * ingest's clock and times in the stream of NATS's: they are taken to agree within seconds. One that is ahead by more delays what time
 * alone does by as much, and what silence does by at most 30 s.
 */
const OUTAGE_MS = 30_000
/** Outages that are remembered. Silence from before the oldest counts it, too. */
const MOST_OUTAGES = 64

export type Progress = { readonly session: number; readonly ms: number }

/** A gap between two marks, ms since the epoch, and where the count of silence stood still. */
type Outage = { readonly from: number; readonly to: number; readonly heard: number }

const NONE = Number.NEGATIVE_INFINITY

export class ShardClock {
  /** The mark in force, ms since the epoch; undefined before the first. */
  mark: number | undefined
  /** Milliseconds of marks since the first mark. */
  elapsed = 0
  /** The same without outages, and what it was before the last mark. */
  heard = 0
  heardBefore = 0
  #sessions: (number | undefined)[] = [undefined]
  /** Oldest first. */
  #outages: Outage[] = []

  /** Sets how many sessions give marks. */
  expect(sessions: number): void {
    this.#sessions = Array.from({ length: Math.max(1, sessions) }, (_, i) => this.#sessions[i])
  }

  /** Takes a mark of one session; tells whether the shard's mark moved. */
  take({ session, ms }: Progress): boolean {
    if (session >= this.#sessions.length || !Number.isSafeInteger(ms)) return false
    this.#sessions[session] = Math.max(ms, this.#sessions[session] ?? 0)
    const least = this.#sessions.reduce((a, b) => (a === undefined || b === undefined ? undefined : Math.min(a, b)))
    if (least === undefined || least <= (this.mark ?? -1)) return false
    this.#move(this.mark ?? least, least)
    return true
  }

  /** The time of the stream, ms, for a row that was stored then and is read now: not before the mark in force. */
  storing(storedMs: number): number {
    return Math.max(storedMs, this.now)
  }

  /** The same for who is heard by it. */
  hearing(storedMs: number): number {
    return Math.min(this.storing(storedMs), (this.mark ?? storedMs) + OUTAGE_MS)
  }

  /** The time of the stream for what begins now; before the first mark, the beginning of time. */
  get now(): number {
    return this.mark ?? NONE
  }

  /** Where the count of silence stood at a time of the stream, ms; for one behind the mark, where it will stand if no outage comes. */
  heardAt(ms: number): number {
    const outages = this.#outages
    for (let i = outages.length - 1; i >= 0; i--) {
      const { from, to, heard } = outages[i] as Outage
      if (ms >= to) return this.#since(i + 1, ms)
      if (ms >= from) return heard
    }
    return Math.max(0, this.#since(0, ms))
  }

  /** The count at a time between the outages `next - 1` and `next`. */
  #since(next: number, ms: number): number {
    const end = this.#outages[next]
    return end ? end.heard - (end.from - ms) : this.heard - ((this.mark ?? ms) - ms)
  }

  #move(from: number, to: number): void {
    this.mark = to
    this.elapsed += to - from
    this.heardBefore = this.heard
    if (to - from <= OUTAGE_MS) this.heard += to - from
    else this.#outages = [...this.#outages, { from, to, heard: this.heard }].slice(-MOST_OUTAGES)
  }

  save(): unknown {
    const { mark, elapsed, heard, heardBefore } = this
    const sessions = this.#sessions.map((ms) => ms ?? null)
    return { mark, elapsed, heard, heardBefore, sessions, outages: this.#outages }
  }

  load(saved: ReturnType<ShardClock['save']>): void {
    const { sessions, outages, ...rest } = saved as Record<string, unknown> & {
      sessions: (number | null)[]
      outages: Outage[]
    }
    Object.assign(this, rest)
    this.#outages = outages
    this.#sessions = this.#sessions.map((_, i) => sessions[i] ?? undefined)
  }
}
