import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FillRate } from './fill-rate.ts'

test('a stream that gains 10 bytes a second and has 500 left is full in about 50 s', () => {
  const rate = new FillRate()
  let left = 0
  for (let second = 0; second <= 50; second++) {
    left = rate.secondsLeft({ bytes: second * 10, maxBytes: 1_000, atMs: second * 1_000 })
  }
  assert.ok(left > 49 && left < 51, String(left))
})

test('one that does not grow is never full', () => {
  const rate = new FillRate()
  rate.secondsLeft({ bytes: 900, maxBytes: 1_000, atMs: 0 })
  assert.equal(rate.secondsLeft({ bytes: 900, maxBytes: 1_000, atMs: 1_000 }), Number.POSITIVE_INFINITY)
})
