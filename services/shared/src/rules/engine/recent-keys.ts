/**
 * Keys of the events seen last: those that come again, in other batches, are told by them. A key is 52 bits of the event's digest; two
 * generations of 32,768 keys are remembered, more than what is under way at once.
 */
const GENERATION = 32_768

/** 52 bits of a digest given as `high · 10⁹ + low`. */
const keyOf = (high: number, low: number): number => (Math.abs(high) % 4_194_304) * 2 ** 31 + Math.abs(low)

export class RecentKeys {
  #now = new Set<number>()
  #before = new Set<number>()

  /** Remembers a key; false when it was seen lately. */
  add(high: number, low: number): boolean {
    const key = keyOf(high, low)
    if (this.#now.has(key) || this.#before.has(key)) return false
    if (this.#now.size >= GENERATION) {
      this.#before = this.#now
      this.#now = new Set()
    }
    this.#now.add(key)
    return true
  }

  save(): unknown {
    return [[...this.#now], [...this.#before]]
  }

  load(saved: unknown): void {
    const [now = [], before = []] = saved as number[][]
    this.#now = new Set(now)
    this.#before = new Set(before)
  }
}
