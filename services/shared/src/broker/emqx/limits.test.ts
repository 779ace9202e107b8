import assert from 'node:assert/strict'
import { test } from 'node:test'
import { smallQueue } from './counters.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import { bytesOf, secondsOf } from './units.ts'

test('times and sizes are compared by what they mean', () => {
  assert.equal(secondsOf('2h'), secondsOf('120m'))
  assert.equal(secondsOf('1h30m'), 5_400)
  assert.equal(secondsOf('5000ms'), 5)
  assert.equal(secondsOf('infinity'), Number.NaN)
  assert.equal(bytesOf('32MB'), 32 * 1_024 ** 2)
  assert.equal(bytesOf('1GB'), 1_024 ** 3)
  assert.equal(bytesOf(4_096), 4_096)
})

test('a session of ingest whose zone gives it the stock queue is told', () => {
  const session = {
    clientid: 'fleetloom_ingest_a_b_0',
    mqueue_len: 0,
    inflight_cnt: 0,
    mqueue_max: 1_000_000,
    inflight_max: 4_096,
  }
  assert.equal(smallQueue([session], DEFAULT_LIMITS), undefined)
  assert.match(
    smallQueue([session, { ...session, mqueue_max: 1_000 }], DEFAULT_LIMITS) ?? '',
    /1000 queued; the zone of its listener must set/,
  )
  assert.match(smallQueue([{ ...session, inflight_max: 32 }], DEFAULT_LIMITS) ?? '', /32 messages in flight/)
})
