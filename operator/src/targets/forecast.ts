/** Time left until a level reaches its bound, from how it grew over the last minutes. The clock is the caller's. */
const WINDOW_MS = 120_000
/** No rate is told from samples nearer to each other than this. */
const LEAST_MS = 1_000

type Sample = { readonly atMs: number; readonly level: number }

/** A time in words, coarse on purpose: it goes into a status, which is written when it changes. */
export const about = (seconds: number): string => {
  if (seconds < 90) return 'about a minute'
  if (seconds < 5_400) return `about ${Math.ceil(seconds / 300) * 5} minutes`
  if (seconds < 172_800) return `about ${Math.round(seconds / 3_600)} hours`
  return 'days'
}

export class Forecast {
  #samples: Sample[] = []

  /** The newest always counts; of the others one or two a second are kept, however often one looks. */
  sample(level: number, atMs: number): void {
    const kept = this.#samples.filter((one) => one.atMs > atMs - WINDOW_MS)
    const before = kept.at(-2)
    if (before && atMs - before.atMs < LEAST_MS) kept.pop()
    this.#samples = [...kept, { atMs, level }]
  }

  /** Seconds until `bound` at the rate seen; infinite while the level does not rise, undefined while too little was seen. */
  secondsLeft(bound: number): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (!first || !last || last.atMs - first.atMs < LEAST_MS) return undefined
    const perSecond = ((last.level - first.level) * 1_000) / (last.atMs - first.atMs)
    return perSecond <= 0 ? Number.POSITIVE_INFINITY : Math.max(0, bound - last.level) / perSecond
  }

  /** What to say of the level: that it `is full in about 10 minutes at the current rate`, is not growing, or was seen too briefly. */
  text(bound: number): string {
    const seconds = this.secondsLeft(bound)
    if (seconds === undefined) return 'has not been seen for long enough to tell its rate'
    return Number.isFinite(seconds) ? `is full in ${about(seconds)} at the current rate` : 'is not growing'
  }
}
