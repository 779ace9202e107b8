import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Breaker } from './breaker.ts'

const fixture = () => {
  const clock = { ms: 0 }
  const breaker = new Breaker(() => clock.ms)
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) breaker.note(false)
  }
  return { clock, breaker, fail }
}

test('it opens at the fifth failure in a row, not before', () => {
  const { breaker, fail } = fixture()
  fail(4)
  breaker.note(true)
  fail(4)
  assert.equal(breaker.isClosed, true)
  fail(1)
  assert.deepEqual([breaker.isClosed, breaker.enter(), breaker.waitMs], [false, false, 5_000])
})

test('when the time is over one may try, and a success lets all in', () => {
  const { clock, breaker, fail } = fixture()
  fail(5)
  clock.ms = 5_000
  assert.deepEqual([breaker.enter(), breaker.enter()], [true, false])
  breaker.note(true)
  assert.deepEqual([breaker.enter(), breaker.enter(), breaker.waitMs], [true, true, 0])
})

test('each failed try doubles the time, up to a minute', () => {
  const { clock, breaker, fail } = fixture()
  fail(5)
  const waits = []
  for (let i = 0; i < 6; i++) {
    waits.push(breaker.waitMs)
    clock.ms += breaker.waitMs
    assert.equal(breaker.enter(), true)
    breaker.note(false)
  }
  assert.deepEqual(waits, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000])
})

test('attempts that were under way when it opened change nothing by failing', () => {
  const { breaker, fail } = fixture()
  fail(12)
  assert.equal(breaker.waitMs, 5_000)
})
