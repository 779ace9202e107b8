import assert from 'node:assert/strict'
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
  const copy = slow()
  const startMs = performance.now()
  const made = inSlices(copy, { isHurried: () => isHurried })
  while (performance.now() - startMs < 200) await setImmediate()
  assert.ok(copy.steps < 50, `${copy.steps} steps of 1 ms in 200 ms`)
  const [before, hurriedMs] = [copy.steps, performance.now()]
  isHurried = true
  await made
  const tookMs = performance.now() - hurriedMs
  assert.ok(tookMs < (100 - before) * 5, `${100 - before} steps of 1 ms took ${tookMs.toFixed(0)} ms`)
})

test('a copy that is given up ends', async () => {
  const [copy, stop] = [slow(), new AbortController()]
  const made = inSlices(copy, { isHurried: () => false, signal: stop.signal })
  stop.abort(new Error('given up'))
  await assert.rejects(made, /given up/)
  assert.ok(copy.steps < 100)
})
