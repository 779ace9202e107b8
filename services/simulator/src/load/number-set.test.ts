import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NumberSet } from './number-set.ts'

test('holds what a Set holds, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5_000 })), (values) => {
      const ours = new NumberSet(8)
      const plain = new Set<number>()
      for (const value of values) {
        assert.equal(ours.add(value), !plain.has(value))
        plain.add(value)
      }
      assert.deepEqual(
        [...ours.values()],
        [...plain].sort((a, b) => a - b),
      )
      assert.equal(ours.size, plain.size)
    }),
  )
})

test('tells its ranges', () => {
  const set = new NumberSet()
  for (const value of [3, 1, 2, 9, 2_000_000]) set.add(value)
  assert.deepEqual(set.ranges(), [
    [1, 3],
    [9, 9],
    [2_000_000, 2_000_000],
  ])
  assert.equal(set.has(4), false)
  assert.equal(set.has(1_000_000_000), false)
})
