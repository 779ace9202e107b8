import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Outbox } from './outbox.ts'

test('keeps the newest messages in order and counts what it drops', () => {
  let dropped = 0
  const outbox = new Outbox<{ n: number }>(2, () => dropped++)
  const messages = [1, 2, 3].map((n) => ({ n }))
  for (const message of messages) outbox.put(message)
  assert.deepEqual({ dropped, oldest: outbox.peek(), size: outbox.size }, { dropped: 1, oldest: { n: 2 }, size: 2 })
})

test('settling a message that was dropped meanwhile takes no other one', () => {
  const outbox = new Outbox<string>(1, () => undefined)
  outbox.put('in flight')
  outbox.put('next')
  outbox.settle('in flight')
  assert.equal(outbox.peek(), 'next')
  outbox.settle('next')
  assert.equal(outbox.peek(), undefined)
})
