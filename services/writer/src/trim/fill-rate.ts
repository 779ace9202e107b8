export type Level = { readonly bytes: number; readonly maxBytes: number; readonly atMs: number }

/** Share of a new rate in the running one: about the last five checks count. */
const WEIGHT = 0.2

/** How fast a stream fills, from its level at each check. */
export class FillRate {
  #last: Level | undefined
  /** Bytes per ms, smoothed. */
  #rate = 0

  /** Seconds until the stream is full if it goes on as lately; Infinity when it is not filling. */
  secondsLeft(level: Level): number {
    const last = this.#last
    this.#last = level
    if (last && level.atMs > last.atMs) {
      const rate = (level.bytes - last.bytes) / (level.atMs - last.atMs)
      this.#rate += (rate - this.#rate) * WEIGHT
    }
    return this.#rate > 0 ? (level.maxBytes - level.bytes) / this.#rate / 1000 : Number.POSITIVE_INFINITY
  }
}
