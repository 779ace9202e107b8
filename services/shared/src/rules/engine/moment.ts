/**
 * The instant for which a device is judged, and where it lies in each length of window. A window of W ms consists of 60 buckets,
 * aligned to the epoch: at the time t it holds the buckets ⌊60 t / W⌋ − 59 … ⌊60 t / W⌋, so it moves in steps of a 60th.
 *
 * With t in µs and W in ms, 60 t / 1000 W is 3 t / 50 W. For t before the year 2065, 3 t is below 2⁵³; then the quotient as a double
 * is never rounded up to a whole number, so its floor is exact.
 */
export const BUCKETS = 60

/** Place of the instant in windows of one length. */
export class WindowClock {
  readonly windowMs: number
  /** Number of the bucket that holds the instant, and its place in a ring of 60. */
  bucket = 0
  slot = 0
  readonly #divisor: number

  constructor(windowMs: number) {
    this.windowMs = windowMs
    this.#divisor = windowMs * 50
  }

  set(micros: number): void {
    const bucket = this.bucketOf(micros)
    this.bucket = bucket
    this.slot = bucket - BUCKETS * Math.floor(bucket / BUCKETS)
  }

  /** Number of the bucket that holds an instant. */
  bucketOf(micros: number): number {
    return Math.floor((micros * 3) / this.#divisor)
  }

  /** When what is in this bucket leaves the window, µs. */
  leaves(bucket: number): number {
    return Math.ceil(((bucket + BUCKETS) * this.#divisor) / 3)
  }
}

export class Moment {
  micros = 0
  readonly #clocks: WindowClock[] = []

  /** The clock of windows of this length, shared by all that ask for it. */
  clock(windowMs: number): WindowClock {
    const known = this.#clocks.find((clock) => clock.windowMs === windowMs)
    if (known) return known
    const clock = new WindowClock(windowMs)
    clock.set(this.micros)
    this.#clocks.push(clock)
    return clock
  }

  /** Drops the clocks of lengths that nothing uses any more. */
  keep(isUsed: (windowMs: number) => boolean): void {
    const kept = this.#clocks.filter(({ windowMs }) => isUsed(windowMs))
    this.#clocks.splice(0, this.#clocks.length, ...kept)
  }

  set(micros: number): void {
    this.micros = micros
    for (let i = 0; i < this.#clocks.length; i++) (this.#clocks[i] as WindowClock).set(micros)
  }
}
