import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeCounters } from '@fleetloom/shared/events/counters/answer'
import { Counting } from './counting.ts'

const MARK_MS = 1_700_000_000_000
const ROW = `cold_events,fleet=doors,device=d-1,type=login,severity=low digest=1i ${MARK_MS - 1000}000000\n`

const counting = () => new Counting({ fleet: 'doors', shard: 0, shards: 1 })

/** The same after a restart. */
const restarted = (before: Counting): Counting => {
  const after = counting()
  // As bytes come from the network: a part of a larger buffer.
  after.decode(Buffer.concat([Buffer.alloc(8, 0x7f), before.encode()]).subarray(8))
  return after
}

test('a shard without events has counted up to its last mark, also after a restart', () => {
  const quiet = counting()
  quiet.advance(MARK_MS)
  const busy = counting()
  busy.take({ body: Buffer.from(ROW), storedMs: MARK_MS - 500 })
  busy.advance(MARK_MS + 5000)
  for (const shards of [
    [quiet, busy],
    [restarted(quiet), restarted(busy)],
  ]) {
    const view = mergeCounters(shards.map((one) => one.answer()))
    assert.deepEqual([view.asOf, view.total.count], [new Date(MARK_MS).toISOString(), 1])
  }
})

test('the first event counts in the windows as they stand', () => {
  const late = restarted(counting())
  late.advance(MARK_MS + 120_000)
  late.take({ body: Buffer.from(ROW), storedMs: MARK_MS })
  const { asOfMicros, windows } = late.answer()
  assert.deepEqual(
    [asOfMicros, windows['1m'].types, windows['5m'].types],
    [(MARK_MS + 120_000) * 1000, [], [['login', 1]]],
  )
})
