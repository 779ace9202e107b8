import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Health } from './health.ts'

const CALM = { fill: 0.1, secondsLeft: Number.POSITIVE_INFINITY, unread: 0 }

test('a healthy fleet says nothing', () => assert.deepEqual(new Health(() => 0).observed(CALM), []))

test('a database that stays away is told with the time it began, until it is back', () => {
  let now = Date.UTC(2026, 0, 1)
  const health = new Health(() => now)
  health.failing('HTTP 503')
  assert.deepEqual(health.observed(CALM), [], 'not for a hiccup')
  now += 10_000
  health.failing('HTTP 401: Unauthorized')
  assert.deepEqual(health.observed(CALM), [
    {
      type: 'Backlogged',
      message:
        'readings wait in the stream since 2026-01-01T00:00:00.000Z, none is lost; retried with backoff: HTTP 401: Unauthorized',
    },
  ])
  health.settled()
  assert.deepEqual(health.observed(CALM), [])
})

test('refused rows are counted for ten minutes', () => {
  let now = 0
  const health = new Health(() => now)
  health.refused(2, 'first')
  now += 60_000
  health.refused(1, 'cast error')
  assert.deepEqual(health.observed(CALM), [
    {
      type: 'DeadLetters',
      message:
        '3 refused by the writer lately; see the dead letters of reason database_rejected and foreign_fleet. Last: cast error',
    },
  ])
  now += 11 * 60_000
  assert.deepEqual(health.observed(CALM), [])
})

test('a stream that fills with unread readings says how long it has', () => {
  const health = new Health(() => 0)
  const [observation] = health.observed({ fill: 0.83, secondsLeft: 600, unread: 9 })
  assert.deepEqual(observation, {
    type: 'StreamFilling',
    message:
      'the stream is 85 % full of readings that the database has not taken, full in about 10 min; when it is full the broker queues. Bring the database back, or raise stream.maxBytes',
  })
  assert.deepEqual(health.observed({ fill: 0.83, secondsLeft: 600, unread: 0 }), [], 'the next trim makes room')
})
