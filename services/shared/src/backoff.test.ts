import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs } from './backoff.ts'

test('pauses double from 200 ms to 10 s, half of them jitter', () => {
  assert.deepEqual(
    [1, 2, 3, 6, 7, 100].map((attempt) => [
      backoffMs(attempt, { random: () => 0 }),
      backoffMs(attempt, { random: () => 1 }),
    ]),
    [
      [100, 200],
      [200, 400],
      [400, 800],
      [3200, 6400],
      [5000, 10_000],
      [5000, 10_000],
    ],
  )
})
