import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dateOf, momentOf, stepAt } from './playback.ts'

const HOUR = 3_600_000
const NOW = Date.UTC(2031, 6, 9, 14, 25)

test('at speed 1 the recorded month, day and hour are those of now', () => {
  const hourly = { speed: 1, stepMs: HOUR }
  const step = stepAt(hourly, NOW)
  assert.equal(momentOf(hourly, step), Date.UTC(2031, 6, 9, 14))
  assert.equal(dateOf(hourly, step).toISOString(), '2027-07-09T14:00:00.000Z')
  assert.equal(dateOf(hourly, step, -8 * HOUR).toISOString(), '2027-07-09T06:00:00.000Z')
})

test('at speed 3600 an hour passes each second', () => {
  const fast = { speed: 3_600, stepMs: HOUR }
  const step = stepAt(fast, NOW)
  assert.equal(stepAt(fast, NOW + 1_000), step + 1)
  assert.equal(momentOf(fast, step + 1) - momentOf(fast, step), 1_000)
  const hours = (dateOf(fast, step + 1).getTime() - dateOf(fast, step).getTime()) / HOUR
  assert.ok(hours === 1 || hours < 0)
})

test('a step has begun at its moment and not a millisecond before', () => {
  const speed = fc.oneof(fc.constantFrom(1, 3_600, 36_000), fc.double({ min: 1, max: 36_000, noNaN: true }))
  const now = fc.integer({ min: Date.UTC(2024, 5, 1), max: Date.UTC(2060, 0, 1) })
  fc.assert(
    fc.property(speed, fc.constantFrom(HOUR, 24 * HOUR), now, (speed, stepMs, nowMs) => {
      const playback = { speed, stepMs }
      const step = stepAt(playback, nowMs)
      assert.ok(momentOf(playback, step) <= nowMs + 1)
      assert.ok(momentOf(playback, step + 1) >= nowMs)
      const year = dateOf(playback, step).getUTCFullYear()
      assert.ok(year >= 2024 && year <= 2027)
    }),
  )
})
