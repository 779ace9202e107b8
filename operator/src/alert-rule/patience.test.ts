import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PATIENCE_MS, Patience } from './patience.ts'

test('a wait is told once it has lasted; another generation, and a wait after one that ended, begins anew', () => {
  let nowMs = 1_000
  const patience = new Patience(() => nowMs)
  const rule = { uid: 'r-1', generation: 1 }
  const after = (ms: number, generation = 1) => {
    nowMs += ms
    return patience.waits({ ...rule, generation })
  }
  assert.equal(after(0), 'quietly')
  assert.equal(after(PATIENCE_MS - 1), 'quietly')
  assert.equal(after(1), 'all')
  assert.equal(after(0, 2), 'quietly')
  assert.equal(after(PATIENCE_MS, 2), 'all')
  patience.ends(rule)
  assert.equal(after(0, 2), 'quietly')
})
