import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../http/problem.ts'
import { Turns } from './turns.ts'

/** What is said to who asks out of turn. */
const refusal = (turns: Turns, key: string, namespace: string): string => {
  try {
    turns.take({ key, namespace })[Symbol.dispose]()
    return ''
  } catch (error) {
    assert.ok(error instanceof Problem && error.status === 429)
    return error.message
  }
}

test('a key, and a namespace with however many keys, has one dry run at once', () => {
  const turns = new Turns()
  const first = turns.take({ key: 'a', namespace: 'cold' })
  assert.equal(refusal(turns, 'a', 'warm'), 'a dry run of this key is going on')
  assert.equal(refusal(turns, 'b', 'cold'), 'a dry run in namespace cold is going on')
  assert.equal(refusal(turns, 'b', 'warm'), '')
  first[Symbol.dispose]()
  assert.equal(refusal(turns, 'b', 'cold'), '')
})

test('there are two dry runs in all', () => {
  const turns = new Turns()
  using _ = turns.take({ key: 'a', namespace: 'cold' })
  using __ = turns.take({ key: 'b', namespace: 'warm' })
  assert.equal(refusal(turns, 'c', 'dry'), '2 dry runs are going on')
})
