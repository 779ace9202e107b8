import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Missed } from './missed.ts'

const HOUR_MS = 3_600_000

test('what was missed is spoken of for an hour of marks, and from the start when more is missed', () => {
  const missed = new Missed()
  missed.advance(0)
  missed.note(5)
  missed.advance(9 * HOUR_MS)
  missed.advance(10 * HOUR_MS - 1)
  assert.equal(missed.count, 5)
  missed.note(2)
  missed.advance(10 * HOUR_MS)
  assert.equal(missed.count, 7)
  missed.advance(11 * HOUR_MS)
  assert.equal(missed.count, 0)
})
