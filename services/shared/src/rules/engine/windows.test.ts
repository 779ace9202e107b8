import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ANSWER, PARTS_OF } from './folds.ts'
import { Moment } from './moment.ts'
import { SKETCH_ERROR, Sketch } from './sketch.ts'
import { Windows } from './windows.ts'

type Reading = { readonly at: number; readonly value: number }

const START = 1_700_000_000_000_000

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
      const windows = new Windows(PARTS_OF.sum, moment.clock(ms))
      windows.watch(3)
      windows.extend([...PARTS_OF.count, ...PARTS_OF.stddev, ...PARTS_OF.min, ...PARTS_OF.max])
      for (const [i, { at, value }] of all.entries()) {
        moment.set(at)
        windows.add(3, value, at)
        const held = within(all.slice(0, i + 1), at, ms)
        const mean = held.reduce((a, b) => a + b, 0) / held.length
        const whole = windows.whole(3)
        assert.equal(ANSWER.count(whole), held.length)
        assert.equal(ANSWER.avg(whole), mean)
        assert.equal(ANSWER.min(whole), Math.min(...held))
        assert.equal(ANSWER.max(whole), Math.max(...held))
        near(ANSWER.stddev(whole), Math.sqrt(held.reduce((a, b) => a + (b - mean) ** 2, 0) / held.length))
      }
    }),
    { numRuns: 200 },
  )
})

test('what leaves next leaves exactly then', () => {
  fc.assert(
    fc.property(readings, windowMs, (all, ms) => {
      const moment = new Moment()
      const windows = new Windows(PARTS_OF.count, moment.clock(ms))
      windows.watch(0)
      for (const { at, value } of all) {
        moment.set(at)
        windows.add(0, value, at)
      }
      const left = (): number => ANSWER.count(windows.whole(0))
      for (let before = left(); before > 0; before = left()) {
        const leaves = windows.nextLeave(0, moment.micros + 1)
        moment.set(leaves - 1)
        assert.equal(left(), before)
        moment.set(leaves)
        assert.ok(left() < before)
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
  const windows = new Windows(PARTS_OF.rate, moment.clock(60_000))
  windows.watch(0)
  moment.set(START)
  windows.add(0, 4, START)
  assert.equal(ANSWER.rate(windows.whole(0)), undefined)
  moment.set(START + 2_000_000)
  windows.add(0, 9, START + 2_000_000)
  assert.equal(ANSWER.rate(windows.whole(0)), 2.5)
  assert.equal(ANSWER.delta(windows.whole(0)), 5)
  moment.set(START + 200_000_000)
  assert.equal(ANSWER.rate(windows.whole(0)), undefined)
})

test('parts that are asked for later begin then, and the others go on; a record is loaded as far as it goes', () => {
  const moment = new Moment()
  const windows = new Windows(PARTS_OF.max, moment.clock(60_000))
  for (const device of [0, 70]) windows.watch(device)
  const read = (second: number, value: number): void => {
    const at = START + second * 1_000_000
    moment.set(at)
    for (const device of [0, 70]) windows.add(device, value + device, at)
  }
  read(0, 9)
  windows.extend(PARTS_OF.stddev)
  read(10, 5)
  read(20, 7)
  const known = (of: Windows): unknown[] => [ANSWER.max(of.whole(70)), ANSWER.stddev(of.whole(70))]
  assert.deepEqual(known(windows), [79, 1])
  const other = new Windows([...PARTS_OF.avg, ...PARTS_OF.max], moment.clock(60_000))
  other.watch(70)
  other.load(70, windows.save(70))
  assert.deepEqual([ANSWER.max(other.whole(70)), ANSWER.avg(other.whole(70))], [79, undefined])
})

test('the deviation of equal readings is exactly 0', () => {
  const moment = new Moment()
  const windows = new Windows(PARTS_OF.stddev, moment.clock(60_000))
  windows.watch(0)
  for (let second = 0; second < 200; second += 1.7) {
    const at = Math.round(START + second * 1_000_000)
    moment.set(at)
    windows.add(0, 0.1, at)
    assert.equal(ANSWER.stddev(windows.whole(0)), 0)
  }
})

test('a device that is not watched takes no room and has no data', () => {
  const moment = new Moment()
  const windows = new Windows(PARTS_OF.sum, moment.clock(1000))
  moment.set(START)
  windows.add(5, 1, START)
  assert.equal(ANSWER.sum(windows.whole(5)), undefined)
  assert.equal(windows.bytes, 0)
  windows.watch(5)
  windows.add(5, 1, START)
  windows.forget(5)
  windows.watch(6)
  assert.equal(ANSWER.sum(windows.whole(6)), undefined, 'a place that is used again is empty')
})
