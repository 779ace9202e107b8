import assert from 'node:assert/strict'
import { test } from 'node:test'
import { about, Forecast } from './forecast.ts'

test('the time left follows from how the level grew', () => {
  const forecast = new Forecast()
  for (const [level, atMs] of [
    [0, 0],
    [100, 10_000],
  ] as const)
    forecast.sample(level, atMs)
  assert.equal(forecast.secondsLeft(1_100), 100)
  assert.equal(forecast.text(7_300), 'is full in about 15 minutes at the current rate')
})

test('a level that stands still or falls has no end', () => {
  const forecast = new Forecast()
  forecast.sample(5, 0)
  assert.equal(forecast.secondsLeft(10), undefined)
  assert.equal(forecast.text(10), 'has not been seen for long enough to tell its rate')
  forecast.sample(5, 10_000)
  assert.equal(forecast.secondsLeft(10), Number.POSITIVE_INFINITY)
  assert.equal(forecast.text(10), 'is not growing')
})

test('only the last minutes count', () => {
  const forecast = new Forecast()
  forecast.sample(0, 0)
  forecast.sample(1_000, 500_000)
  forecast.sample(1_010, 510_000)
  assert.equal(forecast.secondsLeft(1_110), 100)
})

test('however often one looks, the last minutes are seen and the newest level counts', () => {
  const forecast = new Forecast()
  for (let atMs = 0; atMs <= 600_000; atMs += 10) forecast.sample(atMs, atMs)
  assert.equal(forecast.secondsLeft(601_000), 1)
  forecast.sample(0, 600_001)
  assert.equal(forecast.text(601_000), 'is not growing')
})

test('times are coarse', () => {
  assert.deepEqual([10, 400, 8_000, 1e6].map(about), ['about a minute', 'about 10 minutes', 'about 2 hours', 'days'])
})
