import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { inSlices } from './checkpoint-of.ts'

/** A copy of 100 steps of a millisecond or more. */
const slow = () => {
  let steps = 0
  return {
    get steps(): number {
      return steps
    },
    step: (): readonly Uint8Array[] | undefined => {
      const end = performance.now() + 1
      while (performance.now() < end);
      return ++steps < 100 ? undefined : [Uint8Array.of(7)]
    },
  }
}

/** Counts the timers that are set. */
const countTimers = () => {
  let count = 0
  const hook = createHook({ init: (_, type) => void (type === 'Timeout' && count++) }).enable()
  return {
    get count(): number {
      return count
    },
    [Symbol.dispose]: () => void hook.disable(),
  }
}

test('a copy leaves the process room while it is made', async () => {
  const copy = slow()
  const made = inSlices(copy, { isHurried: () => true })
  const seen = new Set<number>()
  while (copy.steps < 100) {
    seen.add(copy.steps)
    await setImmediate()
  }
  assert.ok(seen.size >= 10, `looked after ${seen.size} steps of 100`)
  assert.deepEqual(await made, [Uint8Array.of(7)])
})

test('a copy that nobody waits for rests longer than it works, until somebody does', async () => {
  let isHurried = false
  using rests = countTimers()
  const copy = slow()
  const startMs = performance.now()
  const made = inSlices(copy, { isHurried: () => isHurried })
  while (performance.now() - startMs < 200) await setImmediate()
  assert.ok(copy.steps < 50, `${copy.steps} steps of 1 ms in 200 ms`)
  const before = copy.steps
  assert.equal(rests.count, before, 'a rest after each step')
  isHurried = true
  await made
  assert.equal(rests.count, before, 'no rest any more')
})

test('a copy that is given up ends', async () => {
  const [copy, stop] = [slow(), new AbortController()]
  const made = inSlices(copy, { isHurried: () => false, signal: stop.signal })
  stop.abort(new Error('given up'))
  await assert.rejects(made, /given up/)
  assert.ok(copy.steps < 100)
})
