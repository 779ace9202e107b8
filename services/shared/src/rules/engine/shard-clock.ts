/**
 * The shard's clock: progress marks, never the wall clock. It is the least mark over the fleet's ingest sessions, and moves only
 * forward. Silence is measured on a second count that stands still while marks are more than 30 s apart: such a gap is an
 * outage of ours, in which nobody could be heard. Both counts start at 0 with the first mark.
 */
const OUTAGE_MS = 30_000

export type Progress = { readonly session: number; readonly ms: number }

export class ShardClock {
  /** The mark in force, ms since the epoch; undefined before the first. */
  mark: number | undefined
  /** Milliseconds of marks since the first mark. */
  elapsed = 0
  /** The same without outages, and what it was before the last mark. */
  heard = 0
  heardBefore = 0
  #sessions: (number | undefined)[] = [undefined]

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
    const step = least - (this.mark ?? least)
    this.mark = least
    this.elapsed += step
    this.heardBefore = this.heard
    if (step <= OUTAGE_MS) this.heard += step
    return true
  }

  save(): unknown {
    const { mark, elapsed, heard, heardBefore } = this
    return { mark, elapsed, heard, heardBefore, sessions: this.#sessions.map((ms) => ms ?? null) }
  }

  load(saved: ReturnType<ShardClock['save']>): void {
    const { sessions, ...rest } = saved as Record<string, unknown> & { sessions: (number | null)[] }
    Object.assign(this, rest)
    this.#sessions = this.#sessions.map((_, i) => sessions[i] ?? undefined)
  }
}
