import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Next } from './errors.ts'
import { manualClock } from './testing.ts'
import { backoffMs, WorkQueue } from './work-queue.ts'

const DONE: Next = { kind: 'done' }

/** A queue whose keys end when told to. */
const heldQueue = (workers: number) => {
  const clock = manualClock()
  const started: string[] = []
  const ends = new Map<string, (next: Next) => void>()
  const process = (key: string) => {
    started.push(key)
    const { promise, resolve } = Promise.withResolvers<Next>()
    ends.set(key, resolve)
    return promise
  }
  const queue = new WorkQueue({ workers, clock, process, random: () => 0 })
  const end = async (key: string, next: Next = DONE) => {
    ends.get(key)?.(next)
    await clock.settle()
  }
  return { queue, clock, started, end }
}

test('a key that waits is taken once however often it is added', async () => {
  const { queue, started, end } = heldQueue(1)
  for (const key of ['a', 'b', 'b', 'b']) queue.add(key)
  assert.equal(queue.depth, 1)
  await end('a')
  await end('b')
  assert.deepEqual(started, ['a', 'b'])
})

test('a key is never processed twice at once; one added meanwhile is taken again', async () => {
  const { queue, started, end } = heldQueue(4)
  queue.add('a')
  queue.add('a')
  queue.add('a')
  assert.deepEqual(started, ['a'])
  await end('a')
  assert.deepEqual(started, ['a', 'a'])
  await end('a')
  assert.deepEqual(started, ['a', 'a'])
})

test('one slow key does not hold back another', async () => {
  const { queue, started, end } = heldQueue(2)
  for (const key of ['slow', 'b', 'c']) queue.add(key)
  await end('b')
  await end('c')
  assert.deepEqual(started, ['slow', 'b', 'c'])
})

test('failures back off and double; success forgets them', async () => {
  const { queue, clock, started, end } = heldQueue(1)
  queue.add('a')
  await end('a', { kind: 'backoff' })
  await clock.advance(249)
  assert.equal(started.length, 1)
  await clock.advance(1)
  assert.equal(started.length, 2)
  await end('a', { kind: 'backoff' })
  await clock.advance(499)
  assert.equal(started.length, 2)
  await clock.advance(1)
  assert.equal(started.length, 3)
  await end('a')
  queue.add('a')
  await end('a', { kind: 'backoff' })
  await clock.advance(250)
  assert.equal(started.length, 5)
})

test('of several later times the soonest counts, and being due sooner drops the timer', async () => {
  const { queue, clock, started, end } = heldQueue(1)
  queue.addAfter('a', 1_000)
  queue.addAfter('a', 100)
  queue.addAfter('a', 500)
  await clock.advance(100)
  assert.deepEqual(started, ['a'])
  await end('a', { kind: 'after', ms: 50 })
  queue.add('a')
  await end('a')
  await clock.advance(10_000)
  assert.deepEqual(started, ['a', 'a'])
})

test('the backoff stays within half and all of a bound', () => {
  assert.deepEqual(
    [1, 2, 3, 99].map((failures) => backoffMs(failures, 0)),
    [250, 500, 1_000, 15_000],
  )
  assert.ok(backoffMs(99, 0.999) < 30_000)
})

test('a closed queue takes nothing more and waits for what is under way', async () => {
  const { queue, started, end } = heldQueue(1)
  queue.add('a')
  queue.add('b')
  const closed = queue[Symbol.asyncDispose]()
  await end('a')
  await closed
  queue.add('c')
  assert.deepEqual(started, ['a'])
})
