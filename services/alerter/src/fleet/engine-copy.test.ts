import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { EngineCopy } from './engine-copy.ts'

/** An engine whose copy takes 100 steps of a millisecond or more. */
const slow = (steps: { done: number }) => ({
  *snapshotSteps(): Generator<undefined, Uint8Array[]> {
    for (; steps.done < 100; steps.done++) {
      const end = performance.now() + 1
      while (performance.now() < end);
      yield
    }
    return [Uint8Array.of(7)]
  },
})

test('a copy leaves the process room while it is made', async () => {
  const steps = { done: 0 }
  const { made } = new EngineCopy(slow(steps))
  const seen: number[] = []
  while (steps.done < 100) {
    seen.push(steps.done)
    await setImmediate()
  }
  assert.ok(seen.length >= 3, `looked ${seen.length} times`)
  assert.deepEqual(await made, [Uint8Array.of(7)])
})

test('a copy that is finished at once is the one that was being made', async () => {
  const steps = { done: 0 }
  const copy = new EngineCopy(slow(steps))
  assert.ok(steps.done < 100)
  copy.finish()
  assert.equal(steps.done, 100)
  assert.deepEqual(await copy.made, [Uint8Array.of(7)])
})
