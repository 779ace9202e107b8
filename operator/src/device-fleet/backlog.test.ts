import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QueueCounters } from '@fleetloom/shared/broker/broker'
import { Registry } from 'prom-client'
import { watchBrokerQueue } from './backlog.ts'

const BOUNDS = { messages: 100_000, bytes: 1e9 }

const watched = () => {
  const seen = { counters: undefined as QueueCounters | undefined, nowMs: 0 }
  const registry = new Registry()
  const queue = watchBrokerQueue({ counters: () => seen.counters }, BOUNDS, { registry, now: () => seen.nowMs })
  const see = (queuedMessages: number, nowMs: number, droppedMessages = 0): string | undefined => {
    seen.counters = { queuedMessages, droppedMessages }
    seen.nowMs = nowMs
    return queue.text()
  }
  return { see, queue, registry }
}

test('a queue that grew since the last look is told with the time left, not as one that stands still', () => {
  const { see, queue } = watched()
  using _ = queue
  assert.equal(see(0, 0), undefined)
  assert.equal(
    see(13_000, 5_000),
    'the broker holds 13000 messages of all fleets that ingest has not taken; its queue is full in about a minute at the current rate',
  )
})

test('of a queue that is long when it is first seen no rate is told', () => {
  const { see, queue } = watched()
  using _ = queue
  assert.match(see(13_000, 0) ?? '', /its queue has not been seen for long enough to tell its rate$/)
  assert.match(see(13_000, 5_000) ?? '', /its queue is not growing$/)
})

test('dropped messages are told however short the queue is', () => {
  const { see, queue } = watched()
  using _ = queue
  assert.match(see(0, 0, 7) ?? '', /it has dropped 7 acknowledged messages since its start$/)
})

test('while nothing is known the gauges are not there', async () => {
  const { see, queue, registry } = watched()
  using _ = queue
  const gauges = async () =>
    (await registry.metrics()).split('\n').filter((line) => /^[^#].*_(seconds|messages) /.test(line))
  assert.deepEqual(await gauges(), [])
  see(50_000, 0)
  assert.deepEqual(await gauges(), ['fleetloom_operator_broker_queued_messages 50000'])
})

test('the gauge of the time left and the words come from the same look', async () => {
  const { see, queue, registry } = watched()
  using _ = queue
  see(0, 0)
  see(50_000, 10_000)
  assert.match(await registry.metrics(), /^fleetloom_operator_broker_queue_left_seconds 10$/m)
})
