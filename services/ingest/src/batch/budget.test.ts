import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Budget } from './budget.ts'

test('beyond the bound a session keeps its floor, and a greedy one does not starve another', () => {
  const budget = new Budget(1000)
  const [greedy, modest] = [budget.open(), budget.open()]
  greedy.add(1000)
  assert.deepEqual([greedy.mayTake, modest.mayTake, budget.used], [false, true, 1000])
  modest.add(249)
  assert.equal(modest.mayTake, true)
  modest.add(1)
  assert.equal(modest.mayTake, false)
  greedy.remove(300)
  assert.deepEqual([greedy.mayTake, modest.mayTake], [true, true])
  budget.close(greedy)
  greedy.remove(100)
  assert.equal(budget.used, 250)
})
