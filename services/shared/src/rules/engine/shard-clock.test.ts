import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShardClock } from './shard-clock.ts'

const clockAt = (...marks: readonly number[]): ShardClock => {
  const clock = new ShardClock()
  for (const second of marks) clock.take({ session: 0, ms: second * 1000 })
  return clock
}

test('the count of silence is known for any time of the stream, and stands still in outages', () => {
  const clock = clockAt(100, 110, 150, 160, 260, 270)
  assert.deepEqual([clock.elapsed, clock.heard], [170_000, 30_000])
  const told = [0, 100, 105, 110, 130, 150, 155, 200, 260, 265, 270, 280].map((s) => clock.heardAt(s * 1000) / 1000)
  assert.deepEqual(told, [0, 0, 5, 10, 10, 10, 15, 20, 20, 25, 30, 40])
})

test('a row is heard when it was stored, but not before the mark in force nor half a minute behind it', () => {
  const clock = clockAt(100)
  assert.deepEqual(
    [90, 105, 500].map((s) => clock.hearing(s * 1000) / 1000),
    [100, 105, 130],
  )
  assert.deepEqual(
    [90, 105, 500].map((s) => clock.storing(s * 1000) / 1000),
    [100, 105, 500],
  )
})

test('outages are remembered over a snapshot, the last 64 of them', () => {
  const clock = clockAt(...Array.from({ length: 100 }, (_, i) => i * 40))
  const copy = new ShardClock()
  copy.load(JSON.parse(JSON.stringify(clock.save())))
  for (const second of [0, 1400, 1500, 3970]) assert.equal(copy.heardAt(second * 1000), clock.heardAt(second * 1000))
  assert.deepEqual([clock.heardAt(3_000_000), clock.heardAt(1_440_000), clock.heardAt(1_430_000)], [0, 0, 0])
})
