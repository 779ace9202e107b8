import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BatchInfo, batchHeaders, batchInfo } from './batch.ts'

const info: BatchInfo = {
  rows: 2,
  firstMicros: 1,
  lastMicros: 1_700_000_000_000_000,
  uid: 'u-1',
  generation: 3,
  traceLinks: [],
}

test('headers carry a batch and come back as they were', () => {
  const full = { ...info, progressMs: 5, traceLinks: ['00-a-b-01', '00-c-d-01'] }
  assert.deepEqual(batchInfo(batchHeaders(info)), info)
  assert.deepEqual(batchInfo(batchHeaders(full)), full)
})

test('a message without our headers is not a batch', () => {
  assert.equal(batchInfo(undefined), undefined)
})
