import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lengthOf, viewPartition, viewTtl } from './lengths.ts'

test('equal lengths have equal text, whatever unit the database chose', () => {
  assert.deepEqual([lengthOf(720, 'HOUR'), lengthOf(30, 'DAY'), lengthOf(3, 'WEEK')], ['720h', '720h', '504h'])
  assert.deepEqual([lengthOf(60, 'MONTH'), lengthOf(5, 'YEAR'), lengthOf(0, null)], ['60mo', '60mo', '0mo'])
})

test('a view is kept at least as long as was asked for', () => {
  assert.deepEqual(viewTtl(180 * 24, 'DAY'), { sql: '4320 HOURS', length: '4320h' })
  assert.deepEqual(viewTtl(5 * 365 * 24, 'MONTH'), { sql: '60 MONTHS', length: '60mo' })
  for (let days = 1; days < 2_000; days++) {
    const months = Number.parseInt(viewTtl(days * 24, 'MONTH').length, 10)
    const least = (Date.UTC(2026, 1 + months, 1) - Date.UTC(2026, 1, 1)) / 86_400_000
    assert.ok(least >= days, `${months} months from February are ${least} days, less than ${days}`)
  }
})

test('rollups that are kept for years have few partitions', () => {
  const hour = 3_600_000
  assert.deepEqual(
    [viewPartition(hour, 5 * 365 * 24), viewPartition(hour, 180 * 24), viewPartition(60_000, 5 * 365 * 24)],
    ['MONTH', 'DAY', 'DAY'],
  )
})
