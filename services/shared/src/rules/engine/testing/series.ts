/** Arbitrary series of readings, and the ways in which they may reach a shard without a change of what they say. */
import fc from 'fast-check'
import { values } from './arbitrary-rules.ts'
import type { Reading } from './builders.ts'
import type { Step } from './reference.ts'

const START_MS = 1_700_000_000_123

const point = fc.record({
  device: fc.constantFrom('r-1', 'r-2'),
  gapMs: fc.oneof(fc.integer({ min: 0, max: 1500 }), fc.integer({ min: 0, max: 12_000 }), fc.constant(70_000)),
  values,
  /** Share of the allowed lateness by which the reading comes late. */
  delay: fc.double({ min: 0, max: 0.999, noNaN: true }),
  /** Whether a batch ends with it, and which of the readings before come again in that batch. */
  endsBatch: fc.boolean(),
  again: fc.array(fc.nat(), { maxLength: 3 }),
})
export const series = fc.array(point, { minLength: 10, maxLength: 80, size: 'max' })
type Point = typeof series extends fc.Arbitrary<(infer T)[]> ? T : never

type Arrival = { readonly reading: Reading; readonly atMs: number; readonly point: Point }

const arrivalsOf = (points: readonly Point[], allowedLatenessMs: number): readonly Arrival[] => {
  let now = START_MS
  return points.map((point, i) => {
    now += point.gapMs
    const { device, values, delay } = point
    const reading = { device, micros: now * 1000, digest: (i * 7919) % 100_003, values }
    return { reading, atMs: now + delay * allowedLatenessMs, point }
  })
}

/** Marks at the end, by which all that time alone does is done. */
const ending = ({ atMs }: Arrival): readonly Step[] =>
  [0, 7_200_000].map((ms) => ({ readings: [], storedMs: Math.ceil(atMs) + ms, markMs: Math.ceil(atMs) + ms }))

const end = (arrivals: readonly Arrival[]): readonly Step[] => {
  const latest = arrivals.reduce((a, b) => (a.atMs > b.atMs ? a : b))
  return ending(latest)
}

/** Each reading in a message of its own, in the order of their times. */
export const inOrder = (points: readonly Point[]): readonly Step[] => {
  const arrivals = arrivalsOf(points, 0)
  return [...arrivals.map(({ reading, atMs }) => ({ readings: [reading], storedMs: atMs })), ...end(arrivals)]
}

/** The same readings out of order within the allowed lateness, in any batches, with some that came before. */
export const shuffled = (points: readonly Point[], allowedLatenessMs: number): readonly Step[] => {
  const arrivals = arrivalsOf(points, allowedLatenessMs)
  const steps: { storedMs: number; readings: Reading[] }[] = []
  let batch: Reading[] = []
  const before: Reading[] = []
  for (const { reading, atMs, point } of [...arrivals].sort((a, b) => a.atMs - b.atMs)) {
    batch.push(reading)
    before.push(reading)
    if (!point.endsBatch) continue
    const again = point.again.map((pick) => before[pick % before.length] as Reading)
    steps.push({ storedMs: Math.ceil(atMs), readings: [...batch, ...again] })
    batch = []
  }
  const last = end(arrivals)
  return [...steps, { storedMs: (last[0] as { storedMs: number }).storedMs, readings: batch }, ...last]
}
