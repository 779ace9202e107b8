import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transitionOf } from '../testing.ts'
import { type Delivery, deliveriesOf, parkedDelivery, parkedKey, parkedValue } from './delivery.ts'

const transition = transitionOf({ notify: [{ kind: 'alertmanager' }, { kind: 'webhook', url: 'https://a.example' }] })
const [delivery] = deliveriesOf(transition, 7, 1_000) as [Delivery]
const key = parkedKey(3, delivery)

const read = (text: string) => parkedDelivery({ key, value: Buffer.from(text) })

test('a delivery that waits comes out of its record as it went in', () => {
  const waiting = { ...delivery, attempts: 2, nextMs: 5_000 }
  const found = read(parkedValue(waiting))
  assert.ok(found)
  const { over, settle, bytes, ...rest } = found
  const { over: _, settle: __, bytes: ___, ...expected } = { ...waiting, isParked: true }
  assert.deepEqual(rest, expected)
  assert.ok(bytes > JSON.stringify(transition).length && !over.signal.aborted)
})

test('a record that is not JSON, or not one of a webhook, is none, and throws nothing', () => {
  const { notify: _, ...less } = transition
  for (const text of ['', '{"version": "1.0"', 'null', JSON.stringify({ version: '1.0', transition: less })])
    assert.equal(read(text), undefined, text)
  const value = Buffer.from(parkedValue(delivery))
  assert.equal(parkedDelivery({ key: parkedKey(3, { seq: 7, index: 0 }), value }), undefined)
})
