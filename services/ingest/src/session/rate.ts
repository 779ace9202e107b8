/**
 * Counts messages per device and second in memory that does not grow with the number of devices. Each of a fixed number of
 * cells follows one device, the majority element of those that fall into it (Boyer and Moore, "MJRTY", 1991): a message of that
 * device counts one up, one of another counts one down, and at zero the cell changes hands. So a count is never above the
 * truth, a device is told apart by 45 bits of hash, and one far over the limit is found unless its cell is very crowded.
 */

const CELLS = 1 << 13
const MAX_NAMED = 32

/** A device over the limit: the most messages counted in one second. */
export type Excess = { readonly device: string; readonly perSecond: number; readonly atMs: number }

export class RateSketch {
  readonly #marks = new Int32Array(CELLS)
  readonly #counts = new Uint16Array(CELLS)
  readonly #excess = new Map<string, Excess>()
  #limit: number
  #second = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  setLimit(limit: number): void {
    this.#limit = limit
  }

  /** Starts the counts afresh in a new second. Call it before the messages of a read. */
  tick(nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    if (second === this.#second) return
    this.#second = second
    this.#counts.fill(0)
  }

  /** Counts a message; true when its device is over the limit in this second. */
  count(hash: number, mark: number): boolean {
    const cell = hash & (CELLS - 1)
    const count = this.#counts[cell] as number
    if (this.#marks[cell] === mark) {
      if (count < 0xffff) this.#counts[cell] = count + 1
      return count >= this.#limit
    }
    if (count > 0) {
      this.#counts[cell] = count - 1
      return false
    }
    this.#marks[cell] = mark
    this.#counts[cell] = 1
    return false
  }

  /** Names a device for which `count` was true. */
  exceeded(device: string, hash: number, nowMs: number): void {
    const perSecond = this.#counts[hash & (CELLS - 1)] as number
    const known = this.#excess.get(device)
    if (known === undefined && this.#excess.size >= MAX_NAMED) this.#forgetOldest()
    this.#excess.delete(device)
    this.#excess.set(device, { device, perSecond: Math.max(perSecond, known?.perSecond ?? 0), atMs: nowMs })
  }

  /** Devices over the limit since `sinceMs`, the latest last. */
  since(sinceMs: number): Excess[] {
    for (const [device, { atMs }] of this.#excess) if (atMs < sinceMs) this.#excess.delete(device)
    return [...this.#excess.values()]
  }

  #forgetOldest(): void {
    const [oldest] = this.#excess.keys()
    if (oldest !== undefined) this.#excess.delete(oldest)
  }
}
