/** Counts by name of what happened lately, for a bounded number of names. */
export class RecentCounts {
  readonly #max: number
  readonly #counts = new Map<string, { count: number; atMs: number }>()
  /** What was counted under names that there was no room for. */
  #others = 0

  constructor(max: number) {
    this.#max = max
  }

  add(name: string, nowMs: number): void {
    const entry = this.#counts.get(name)
    if (entry) {
      entry.count++
      entry.atMs = nowMs
    } else if (this.#counts.size < this.#max) this.#counts.set(name, { count: 1, atMs: nowMs })
    else this.#others++
  }

  /** `name (count)` of what happened since `sinceMs`, the most frequent first; older ones are forgotten. */
  describe(sinceMs: number, most: number): string {
    for (const [name, { atMs }] of this.#counts) if (atMs < sinceMs) this.#counts.delete(name)
    if (this.#counts.size === 0) return ''
    const sorted = [...this.#counts].sort(([, a], [, b]) => b.count - a.count)
    const named = sorted.slice(0, most).map(([name, { count }]) => `${name} (${count})`)
    const rest = this.#counts.size > most || this.#others > 0 ? ' and others' : ''
    return named.join(', ') + rest
  }
}
