/** What the reference knows of a device's past: a list of everything that was used, in which each function looks for its answer. */
import type { Need, Value } from '../../need.ts'
import type { Detector } from '../ports.ts'

const MINUTE = 60_000_000
const QUIET_MINUTES = 60

/** A reading, or an event of a type, that was used: when, in the device's time, and the time that it counts at, its own. */
export type Used = {
  readonly at: number
  readonly own: number
  readonly values: Readonly<Record<string, Value>>
  readonly type?: string
}

type Timed = { readonly at: number; readonly value: number }

/** What is kept of a window for each function; each part has a history of its own. */
const PART: Readonly<Record<string, string>> = {
  ...{
    avg: 'sum',
    sum: 'sum',
    count: 'count',
    min: 'least',
    max: 'most',
    stddev: 'spread',
    rate: 'first',
    delta: 'first',
  },
}

/** Name of the window that a need shares with others; undefined where it shares none. */
export const windowOf = (need: Need): string | undefined =>
  need.fn in PART && 'measurement' in need && 'windowMs' in need
    ? `window ${need.measurement} ${need.windowMs}`
    : undefined

/** Name of the history that a need is answered from; undefined where there is none. */
export const historyOf = (need: Need): string | undefined => {
  if (need.fn === 'offline') return undefined
  const about = 'type' in need ? `event ${need.type}` : need.measurement
  const length = 'windowMs' in need && need.fn !== 'absent' ? need.windowMs : ''
  return `${PART[need.fn] ?? need.fn} ${about} ${length}`
}

export const concerns = (need: Need, { values, type }: Used): boolean =>
  'measurement' in need ? need.measurement in values : 'type' in need && need.type === type

const bucketOf = (micros: number, windowMs: number): bigint => (BigInt(micros) * 60n) / (BigInt(windowMs) * 1000n)

/** First µs of a bucket. */
const startOf = (bucket: bigint, windowMs: number): number => {
  const width = BigInt(windowMs) * 1000n
  return Number((bucket * width + 59n) / 60n)
}

const fold = (fn: string, values: readonly Timed[]): number | undefined => {
  const numbers = values.map(({ value }) => value)
  const sum = numbers.reduce((a, b) => a + b, 0)
  if (fn === 'count') return numbers.length
  const [first, last] = [values[0], values.at(-1)]
  if (!first || !last) return undefined
  const mean = sum / numbers.length
  const change = last.at > first.at ? last.value - first.value : undefined
  const answers: Record<string, number | undefined> = {
    ...{ avg: mean, sum, min: Math.min(...numbers), max: Math.max(...numbers), delta: change },
    stddev: Math.sqrt(numbers.reduce((a, b) => a + (b - mean) ** 2, 0) / numbers.length),
    rate: change === undefined ? undefined : change / ((last.at - first.at) / 1e6),
  }
  return answers[fn]
}

/** The lower of the two readings between which the share `q` ends. */
const percentile = (q: number, values: readonly Timed[]): number | undefined => {
  const sorted = values.map(({ value }) => value).sort((a, b) => a - b)
  return sorted[Math.floor(q * (sorted.length - 1))]
}

/** The score of the last of these readings, all of them given to a new detector. */
const scoreOf = (detector: Detector, readings: readonly Timed[]): number | undefined => {
  const state = detector.create()
  return readings.map(({ at, value }) => detector.observe(state, at / 1000, value)).at(-1)
}

/** Events per minute: of each minute that ended by `at` and has an event in it or in the hour before it. */
const perMinute = (events: readonly Used[], at: number): readonly Timed[] => {
  const minutes = events.map((event) => Math.floor(event.at / MINUTE))
  const counted = new Set(minutes.flatMap((first) => Array.from({ length: QUIET_MINUTES }, (_, i) => first + i)))
  return [...counted]
    .filter((minute) => (minute + 1) * MINUTE <= at)
    .sort((a, b) => a - b)
    .map((minute) => ({ at: minute * MINUTE, value: minutes.filter((other) => other === minute).length }))
}

const later = (a: bigint, b: bigint): bigint => {
  if (a > b) return a
  return b
}

/** The last bucket of a window of events: it ends at the device's time or at the newest event. */
const newestBucket = (windowMs: number, events: readonly Used[], at: number): bigint =>
  events.map(({ own }) => bucketOf(own, windowMs)).reduce(later, bucketOf(at, windowMs))

const isOfMinute = ({ at, own }: Used): boolean => Math.floor(own / MINUTE) >= Math.floor(at / MINUTE) - 1

/** Whether an event is not late for a need, whose history has it already. */
export const isCounted = (need: Need, event: Used, history: readonly Used[]): boolean =>
  need.fn === 'eventCount'
    ? bucketOf(event.own, need.windowMs) >= newestBucket(need.windowMs, history, event.at) - 59n
    : isOfMinute(event)

/** What a need answers at a time from its history. */
export const answer = (need: Need, history: readonly Used[], at: number, detector: Detector): Value | undefined => {
  if (need.fn === 'last') return history.at(-1)?.values[need.measurement]
  const all = history.map((used) => ({
    at: used.at,
    value: 'measurement' in need ? Number(used.values[need.measurement]) : 1,
  }))
  if (need.fn === 'anomaly') return scoreOf(detector, all)
  if (need.fn === 'eventAnomaly') return scoreOf(detector, perMinute(history.filter(isOfMinute), at))
  if (need.fn === 'eventCount') {
    const { windowMs } = need
    const first = newestBucket(windowMs, history, at) - 59n
    return history.filter(({ own }) => bucketOf(own, windowMs) >= first).length
  }
  if (!('windowMs' in need)) throw new Error(`${need.fn} is not answered from a history`)
  const oldest = bucketOf(at, need.windowMs) - 59n
  const within = all.filter((one) => bucketOf(one.at, need.windowMs) >= oldest)
  return need.fn === 'percentile' ? percentile(need.q, within) : fold(need.fn, within)
}

/** When time alone changes the answer: a reading leaves the window, or a minute of events is over. */
export const changesOf = (need: Need, history: readonly Used[]): readonly number[] => {
  if (need.fn === 'eventAnomaly') {
    const last = history.filter(isOfMinute).at(-1)
    const minute = last ? Math.floor(last.at / MINUTE) : 0
    return last ? Array.from({ length: QUIET_MINUTES }, (_, i) => (minute + 1 + i) * MINUTE) : []
  }
  if (!('windowMs' in need) || need.fn === 'absent') return []
  const { windowMs } = need
  const buckets = history.map(({ own }) => bucketOf(own, windowMs))
  const newest = buckets.reduce(later, 0n)
  return buckets.filter((bucket) => bucket > newest - 60n).map((bucket) => startOf(bucket + 60n, windowMs))
}
