import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bestThreshold, type Labelled, normalised, outcomeAt, worthOf } from './nab-score.ts'

/** 100 rows a minute apart; windows by their first and last row. */
const file = (...windows: [number, number][]): Labelled => ({
  name: 'series',
  timestamps: Array.from({ length: 100 }, (_, row) => row * 60_000),
  values: new Array(100).fill(0),
  windows: windows.map(([from, to]) => [from * 60_000, to * 60_000]),
})
const scoresAt = (rows: Record<number, number>): Float64Array => {
  const scores = new Float64Array(100)
  for (const [row, score] of Object.entries(rows)) scores[Number(row)] = score
  return scores
}
const close = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-5, `${actual} is not ${expected}`)

test("a detection's worth falls from 1 at the window's start towards 0 at its end", () => {
  const { worth } = worthOf(file([40, 49]))
  close(worth[40] as number, 1) // position -1
  close(worth[45] as number, 0.848284 / 0.986614) // position -0.5
  close(worth[49] as number, 0.244919 / 0.986614) // position -0.1
})

test('a false detection costs 0.11 before any window, and less the closer it follows on one', () => {
  const { worth } = worthOf(file([40, 49]))
  close(worth[39] as number, -0.11)
  close(worth[50] as number, -0.11 * 0.270847) // position 1/9
  close(worth[58] as number, -0.11 * 0.986614) // position 1
  close(worth[90] as number, -0.11)
})

test('the first 15 % of a file count for nothing, at most 750 rows', () => {
  assert.equal(worthOf(file([40, 49])).probation, 15)
  const long = { ...file(), timestamps: Array.from({ length: 20_000 }, (_, row) => row) }
  assert.equal(worthOf(long).probation, 750)
  assert.equal(outcomeAt({ file: file([40, 49]), scores: scoresAt({ 3: 1, 14: 1 }) }, 0.5).falsePositives, 0)
  assert.equal(outcomeAt({ file: file([40, 49]), scores: scoresAt({ 15: 1 }) }, 0.5).falsePositives, 1)
})

test('only the earliest detection in a window counts, and a missed window costs 1', () => {
  const two = file([40, 49], [70, 79])
  const outcome = outcomeAt({ file: two, scores: scoresAt({ 40: 0.9, 45: 0.9, 48: 0.9 }) }, 0.9)
  assert.equal(outcome.detected, 1)
  assert.equal(outcome.falsePositives, 0)
  close(outcome.total, 1 - 1)
})

test('one threshold serves all files, chosen for the best sum', () => {
  const scored = [
    { file: file([40, 49]), scores: scoresAt({ 20: 0.7, 30: 0.3, 40: 0.8 }) },
    { file: file([60, 69]), scores: scoresAt({ 20: 0.4, 60: 0.5, 61: 0.2 }) },
  ]
  const best = bestThreshold(scored)
  assert.equal(best.threshold, 0.5)
  close(best.total, 1 - 0.11 + 1)
  close(
    best.total,
    scored.reduce((sum, one) => sum + outcomeAt(one, best.threshold).total, 0),
  )
})

test('rows of one score are taken or left together', () => {
  const scored = [{ file: file([40, 49]), scores: scoresAt({ 20: 0.5, 21: 0.5, 40: 0.5 }) }]
  close(bestThreshold(scored).total, 1 - 0.22)
})

test('a detector that never speaks is at 0, a perfect one at 100', () => {
  const one = file([40, 49])
  const silent = bestThreshold([{ file: one, scores: scoresAt({ 20: 1, 21: 1 }) }])
  assert.deepEqual(silent, { threshold: 1.1, total: -1 })
  assert.equal(normalised(silent.total, 1), 0)
  close(normalised(bestThreshold([{ file: one, scores: scoresAt({ 40: 1 }) }]).total, 1), 100)
})

test('a window that no row begins is refused by name', () => {
  const wrong = { ...file(), windows: [[30_000, 60_000]] as const }
  assert.throws(() => worthOf(wrong), /series: no row has the window's timestamp 1970-01-01T00:00:30/)
})
