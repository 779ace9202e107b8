import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ANSWER, FOLD_OF } from './folds.ts'
import { Moment } from './moment.ts'
import { SKETCH_ERROR, Sketch } from './sketch.ts'
import { Windows } from './windows.ts'

type Reading = { readonly at: number; readonly value: number }

const START = 1_700_000_000_000_000
const NO_LAST = { value: Number.NaN, micros: Number.NEGATIVE_INFINITY }

/** Readings with gaps of all sizes, some longer than the window. */
const readings = fc
  .array(
    fc.record({
      gap: fc.oneof(fc.integer({ min: 0, max: 50_000 }), fc.integer({ min: 0, max: 900_000 }), fc.constant(5_000_000)),
      value: fc.integer({ min: -400, max: 400 }).map((n) => n / 8),
    }),
    { minLength: 1, maxLength: 150 },
  )
  .map((all) => {
    let at = START
    return all.map(({ gap, value }): Reading => {
      at += gap
      return { at, value }
    })
  })

const windowMs = fc.constantFrom(60, 1000, 1001, 3600)
const bucketOf = (micros: number, ms: number): bigint => (BigInt(micros) * 60n) / (BigInt(ms) * 1000n)

const within = (all: readonly Reading[], now: number, ms: number): number[] =>
  all.filter(({ at }) => bucketOf(at, ms) >= bucketOf(now, ms) - 59n).map(({ value }) => value)

const near = (actual: number | undefined, expected: number): void =>
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)),
    `${actual} is not ${expected}`,
  )

test('a window holds what the definition of its buckets says, at every reading', () => {
  fc.assert(
    fc.property(readings, windowMs, (all, ms) => {
      const moment = new Moment()
      const folds = { sum: FOLD_OF.sum, min: FOLD_OF.min, max: FOLD_OF.max, stddev: FOLD_OF.stddev }
      const windows = Object.fromEntries(
        Object.entries(folds).map(([name, fold]) => [name, new Windows(fold, moment.clock(ms))]),
      ) as Record<keyof typeof folds, Windows>
      for (const one of Object.values(windows)) one.watch(3)
      for (const [i, { at, value }] of all.entries()) {
        moment.set(at)
        for (const one of Object.values(windows)) one.add(3, value, at)
        const held = within(all.slice(0, i + 1), at, ms)
        const mean = held.reduce((a, b) => a + b, 0) / held.length
        assert.equal(ANSWER.count(windows.sum.lanes(3)), held.length)
        assert.equal(ANSWER.avg(windows.sum.lanes(3)), mean)
        assert.equal(ANSWER.min(windows.min.lanes(3)), Math.min(...held))
        assert.equal(ANSWER.max(windows.max.lanes(3)), Math.max(...held))
        near(
          ANSWER.stddev(windows.stddev.lanes(3)),
          Math.sqrt(held.reduce((a, b) => a + (b - mean) ** 2, 0) / held.length),
        )
      }
    }),
    { numRuns: 200 },
  )
})

test('what leaves next leaves exactly then', () => {
  fc.assert(
    fc.property(readings, windowMs, (all, ms) => {
      const moment = new Moment()
      const windows = new Windows(FOLD_OF.count, moment.clock(ms))
      windows.watch(0)
      for (const { at, value } of all) {
        moment.set(at)
        windows.add(0, value, at)
      }
      for (let left = windows.lanes(0)[0] as number; left > 0; left = windows.lanes(0)[0] as number) {
        const leaves = windows.nextLeave(0, moment.micros + 1)
        moment.set(leaves - 1)
        assert.equal(windows.lanes(0)[0], left)
        moment.set(leaves)
        assert.ok((windows.lanes(0)[0] as number) < left)
      }
      assert.equal(windows.nextLeave(0, moment.micros + 1), Number.POSITIVE_INFINITY)
    }),
    { numRuns: 200 },
  )
})

test('quantiles are within their stated error of the exact ones, also after a save and a load', () => {
  const quantile = fc.constantFrom(0, 0.01, 0.5, 0.95, 1)
  fc.assert(
    fc.property(readings, windowMs, quantile, (all, ms, q) => {
      const moment = new Moment()
      let sketch = new Sketch(moment.clock(ms))
      for (const [i, { at, value }] of all.entries()) {
        moment.set(at)
        sketch.add(value)
        const held = within(all.slice(0, i + 1), at, ms).sort((a, b) => a - b)
        const exact = held[Math.floor(q * (held.length - 1))] as number
        const actual = sketch.quantile(q) as number
        assert.ok(Math.abs(actual - exact) <= SKETCH_ERROR * Math.abs(exact) + 1e-9, `${actual} is not ${exact}`)
        if (i % 7 === 0) {
          const copy = new Sketch(moment.clock(ms))
          copy.load(sketch.save())
          sketch = copy
        }
      }
      assert.ok(sketch.nextLeave(moment.micros + 1) > moment.micros)
      moment.set(moment.micros + ms * 1000 + 1_000_000)
      assert.equal(sketch.quantile(q), undefined)
    }),
    { numRuns: 200 },
  )
})

test('rate and delta need two readings at different times', () => {
  const moment = new Moment()
  const windows = new Windows(FOLD_OF.rate, moment.clock(60_000))
  windows.watch(0)
  moment.set(START)
  windows.add(0, 4, START)
  assert.equal(ANSWER.rate(windows.lanes(0), { value: 4, micros: START }), undefined)
  moment.set(START + 2_000_000)
  windows.add(0, 9, START + 2_000_000)
  assert.equal(ANSWER.rate(windows.lanes(0), { value: 9, micros: START + 2_000_000 }), 2.5)
  assert.equal(ANSWER.delta(windows.lanes(0), { value: 9, micros: START + 2_000_000 }), 5)
  assert.equal(ANSWER.rate(windows.lanes(0), NO_LAST), undefined)
})

test('a device that is not watched takes no room and has no data', () => {
  const moment = new Moment()
  const windows = new Windows(FOLD_OF.sum, moment.clock(1000))
  moment.set(START)
  windows.add(5, 1, START)
  assert.equal(ANSWER.avg(windows.lanes(5)), undefined)
  assert.equal(windows.bytes, 0)
  windows.watch(5)
  windows.add(5, 1, START)
  windows.forget(5)
  windows.watch(6)
  assert.equal(ANSWER.count(windows.lanes(6)), 0, 'a place that is used again is empty')
})
