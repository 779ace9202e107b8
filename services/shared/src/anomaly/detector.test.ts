import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { observe } from './detector.ts'
import { type AnomalyState, fromBytes, initialState, STATE_BYTES, toBytes } from './state.ts'
import { gaussian, QUIET, type Series, uniform } from './testing/series.ts'

const MINUTE = 60_000
const START = Date.parse('2026-01-01T00:00:00Z')

/** Scores of the readings from `from` up to `to`, one a minute. */
const scores = (state: AnomalyState, series: Series, [from, to]: readonly [number, number]): number[] =>
  Array.from({ length: to - from }, (_, i) => observe(state, START + (from + i) * MINUTE, series(from + i)))
const alarms = (all: readonly number[]): number => all.filter((score) => score > 0.9).length

for (const [name, make] of Object.entries(QUIET))
  test(`of 10,000 readings of quiet data at most 3 score above 0.9 and 30 above 0.77: ${name}`, () => {
    const all = [1, 2, 3, 4].flatMap((seed) => {
      const state = initialState()
      const series = make(seed)
      scores(state, series, [0, 1000])
      return scores(state, series, [1000, 26_000])
    })
    const events = all.filter((score) => score > 0.77).length
    assert.ok(alarms(all) <= 30 && events <= 300, `${alarms(all)} above 0.9, ${events} above 0.77`)
  })

test('nothing is told in the warm-up', () => {
  const next = gaussian(1)
  assert.equal(Math.max(...scores(initialState(), () => 1000 * next(), [0, 60])), 0)
})

test('a spike is an alarm, and the readings after it are not', () => {
  const state = initialState()
  const next = gaussian(2)
  const series: Series = (reading) => 20 + next() + (reading === 2000 ? 12 : 0)
  scores(state, series, [0, 2000])
  const [spike, ...after] = scores(state, series, [2000, 2100])
  assert.ok((spike as number) > 0.9, `score ${spike}`)
  assert.equal(alarms(after), 0)
})

test('a level that shifts is an alarm at once, and then the new normal', () => {
  const state = initialState()
  const next = gaussian(3)
  const series: Series = (reading) => next() + (reading < 3000 ? 0 : 15)
  scores(state, series, [0, 3000])
  assert.ok(alarms(scores(state, series, [3000, 3003])) === 1)
  assert.ok(alarms(scores(state, series, [3003, 8000])) <= 1)
})

test('a spike that comes back every hour is soon no alarm', () => {
  const state = initialState()
  const next = gaussian(4)
  const series: Series = (reading) => next() + (reading > 2000 && reading % 60 === 0 ? 20 : 0)
  scores(state, series, [0, 2000])
  assert.ok(alarms(scores(state, series, [2000, 2100])) === 1)
  assert.equal(alarms(scores(state, series, [2600, 8000])), 0)
})

test('what is normal at noon is an alarm at midnight', () => {
  const state = initialState()
  const next = gaussian(5)
  const noonish = (reading: number): boolean => reading % 1440 >= 480 && reading % 1440 < 1080
  const night = 20 * 1440 + 120
  const series: Series = (reading) => 0.5 * next() + (noonish(reading) || reading === night ? 20 : 0)
  scores(state, series, [0, night])
  assert.ok(observe(state, START + night * MINUTE, series(night)) > 0.9)
})

test('the first change of a constant is an alarm, the same change again is not', () => {
  const state = initialState()
  scores(state, () => 5, [0, 500])
  assert.ok(observe(state, START + 500 * MINUTE, 5.1) > 0.99)
  scores(state, () => 5, [501, 1500])
  assert.ok(observe(state, START + 1500 * MINUTE, 5.1) < 0.9)
})

test('a gap, a slower rate and readings that come late are no alarms', () => {
  const state = initialState()
  const next = gaussian(6)
  const at = (minute: number): number => observe(state, START + minute * MINUTE, 20 + next())
  for (let minute = 0; minute < 2000; minute++) at(minute)
  const gap = Array.from({ length: 300 }, (_, i) => at(50_000 + i))
  const slower = Array.from({ length: 300 }, (_, i) => at(51_000 + 30 * i))
  const late = Array.from({ length: 300 }, (_, i) => at(70_000 + (i % 2 ? i : -i)))
  assert.equal(alarms([...gap, ...slower, ...late]), 0)
})

const reading = fc.tuple(
  fc.integer({ min: -8.64e15, max: 8.64e15 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const few = fc.tuple(fc.nat(100_000_000), fc.constantFrom(0, 1, 1, 5, -0, 1e300, 5e-324))
const readings = fc.array(fc.oneof(reading, few), { minLength: 1, maxLength: 300, size: 'max' })

test('a score is a number from 0 to 1, whatever the readings', () => {
  fc.assert(
    fc.property(readings, (all) => {
      const state = initialState()
      for (const [timestamp, value] of all) {
        const score = observe(state, timestamp, value)
        assert.ok(score >= 0 && score < 1, `score ${score}`)
      }
    }),
    { numRuns: 200 },
  )
})

test('a state that went through a checkpoint goes on exactly as before', () => {
  fc.assert(
    fc.property(readings, fc.nat(300), (all, at) => {
      const state = initialState()
      for (const [timestamp, value] of all.slice(0, at)) observe(state, timestamp, value)
      const restored = fromBytes(toBytes(state))
      for (const [timestamp, value] of all.slice(at))
        assert.equal(observe(restored, timestamp, value), observe(state, timestamp, value))
      assert.deepEqual(toBytes(restored), toBytes(state))
    }),
    { numRuns: 200 },
  )
})

test('the unit of a measurement changes no score, nor does its zero', () => {
  const run = (scale: number, shift: number): number[] => {
    const next = gaussian(7)
    const jumps = uniform(8)
    return scores(initialState(), () => scale * (next() + (jumps() < 0.001 ? 20 : 0)) + shift, [0, 5000])
  }
  const plain = run(1, 0)
  for (const other of [run(2 ** 40, 0), run(2 ** -40, 0), run(-1, 0), run(1, 1024)])
    for (const [i, score] of plain.entries()) assert.ok(Math.abs(score - (other[i] as number)) < 1e-6, `reading ${i}`)
})

test('a checkpoint is a copy of 2,048 bytes', () => {
  const state = initialState()
  const before = toBytes(state)
  assert.equal(before.byteLength, STATE_BYTES)
  assert.equal(STATE_BYTES, 2048)
  observe(state, START, 1)
  assert.notDeepEqual(toBytes(state), before)
})

test('bytes that are no checkpoint are refused', () => {
  assert.throws(() => fromBytes(new Uint8Array(7)), /anomaly state: 7 bytes, not 2048; start from initialState\(\)/)
  assert.throws(() => fromBytes(new Uint8Array(STATE_BYTES)), /anomaly state: version 0, not 1/)
})

test('a number that is not finite is refused by name, and nothing is learnt from it', () => {
  const state = initialState()
  const before = toBytes(state)
  assert.throws(() => observe(state, START, Number.NaN), /anomaly detector: value is NaN, not a finite number/)
  assert.throws(() => observe(state, Number.POSITIVE_INFINITY, 1), /timestamp is Infinity/)
  assert.deepEqual(toBytes(state), before)
})
