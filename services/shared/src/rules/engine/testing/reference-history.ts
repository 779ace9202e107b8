/** What the reference knows of a device's past: a list of everything that was used, in which each function looks for its answer. */
import type { Need, Value } from '../../need.ts'
import type { Detector } from '../ports.ts'

const MINUTE = 60_000_000
const QUIET_MINUTES = 60

/** A reading, or an event of a type, that was used: when, in the device's time. */
export type Used = {
  readonly at: number
  readonly values: Readonly<Record<string, Value>>
  readonly type?: string
}

type Timed = { readonly at: number; readonly value: number }

/** Functions that are answered from the same state begin their history together. */
const SHARED: Readonly<Record<string, string>> = { avg: 'sum', count: 'sum', delta: 'rate' }

/** Names of the histories that a need keeps, its own first. */
export const historiesOf = (need: Need): readonly string[] => {
  if (need.fn === 'offline') return []
  const about = 'type' in need ? `event ${need.type}` : need.measurement
  const length = 'windowMs' in need && need.fn !== 'absent' ? need.windowMs : ''
  const own = `${SHARED[need.fn] ?? need.fn} ${about} ${length}`
  return need.fn === 'rate' || need.fn === 'delta' ? [own, `last ${about} `] : [own]
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
  if (fn === 'count' || fn === 'eventCount') return numbers.length
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
const perMinute = (events: readonly Timed[], at: number): readonly Timed[] => {
  const minutes = events.map((event) => Math.floor(event.at / MINUTE))
  const counted = new Set(minutes.flatMap((first) => Array.from({ length: QUIET_MINUTES }, (_, i) => first + i)))
  return [...counted]
    .filter((minute) => (minute + 1) * MINUTE <= at)
    .sort((a, b) => a - b)
    .map((minute) => ({ at: minute * MINUTE, value: minutes.filter((other) => other === minute).length }))
}

/** What a need answers at a time from its history. */
export const answer = (need: Need, history: readonly Used[], at: number, detector: Detector): Value | undefined => {
  if (need.fn === 'last') return history.at(-1)?.values[need.measurement]
  const all = history.map((used) => ({
    at: used.at,
    value: 'measurement' in need ? Number(used.values[need.measurement]) : 1,
  }))
  if (need.fn === 'anomaly') return scoreOf(detector, all)
  if (need.fn === 'eventAnomaly') return scoreOf(detector, perMinute(all, at))
  if (!('windowMs' in need)) throw new Error(`${need.fn} is not answered from a history`)
  const oldest = bucketOf(at, need.windowMs) - 59n
  const within = all.filter((one) => bucketOf(one.at, need.windowMs) >= oldest)
  return need.fn === 'percentile' ? percentile(need.q, within) : fold(need.fn, within)
}

/** When time alone changes the answer: a reading leaves the window, or a minute of events is over. */
export const changesOf = (need: Need, history: readonly Used[]): readonly number[] => {
  if (need.fn === 'eventAnomaly') {
    const last = history.at(-1)
    const minute = last ? Math.floor(last.at / MINUTE) : 0
    return last ? Array.from({ length: QUIET_MINUTES }, (_, i) => (minute + 1 + i) * MINUTE) : []
  }
  if (!('windowMs' in need) || need.fn === 'absent') return []
  const { windowMs } = need
  return history.map(({ at }) => startOf(bucketOf(at, windowMs) + 60n, windowMs))
}
