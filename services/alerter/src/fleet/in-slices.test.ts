import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { inSlices } from './in-slices.ts'

test('a copy leaves the process room while it is made', async () => {
  let steps = 0
  const step = (): readonly Uint8Array[] | undefined => {
    const end = performance.now() + 1
    while (performance.now() < end);
    return ++steps < 100 ? undefined : [Uint8Array.of(7)]
  }
  const made = inSlices({ step })
  const seen: number[] = []
  while (steps < 100) {
    seen.push(steps)
    await setImmediate()
  }
  assert.ok(seen.length >= 3, `looked ${seen.length} times`)
  assert.deepEqual(await made, [Uint8Array.of(7)])
})
