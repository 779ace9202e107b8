import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Bounded } from './bounded.ts'

test('what does not fit waits its turn, and a small request does not overtake a large one', async () => {
  const bound = new Bounded(10)
  const served: string[] = []
  const first = await bound.take(8)
  const large = bound.take(6).then((lease) => {
    served.push('large')
    return lease
  })
  const small = bound.take(2).then((lease) => {
    served.push('small')
    return lease
  })
  await setImmediate()
  assert.deepEqual(served, [])
  first.shrink(5)
  await setImmediate()
  assert.deepEqual(served, [])
  first[Symbol.dispose]()
  await Promise.all([large, small])
  assert.deepEqual([served, bound.taken], [['large', 'small'], 8])
})

test('a lease given back twice is given back once', async () => {
  const bound = new Bounded(10)
  const lease = await bound.take(4)
  lease[Symbol.dispose]()
  lease[Symbol.dispose]()
  assert.equal(bound.taken, 0)
})

test('an amount beyond the bound is served alone', async () => {
  const bound = new Bounded(10)
  const lease = await bound.take(1_000)
  assert.equal(bound.taken, 10)
  lease[Symbol.dispose]()
  assert.equal(bound.taken, 0)
})

test('who leaves while waiting is not served, and those behind are', async () => {
  const bound = new Bounded(10)
  const first = await bound.take(8)
  const left = new AbortController()
  const large = bound.take(10, left.signal)
  const small = bound.take(2, new AbortController().signal)
  left.abort(new Error('gone'))
  await assert.rejects(large, /gone/)
  const lease = await small
  first[Symbol.dispose]()
  lease[Symbol.dispose]()
  assert.equal(bound.taken, 0)
  await assert.rejects(bound.take(1, left.signal), /gone/)
})
