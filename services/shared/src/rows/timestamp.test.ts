import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { microsOfNumber, microsOfText } from './timestamp.ts'

test('numbers of every unit, with every digit that counts', () => {
  assert.deepEqual(
    [
      microsOfNumber('1700000000', 'Seconds'),
      microsOfNumber('1700000000.1234567', 'Seconds'),
      microsOfNumber('1.7e9', 'Seconds'),
      microsOfNumber('1700000000123', 'Milliseconds'),
      microsOfNumber('1700000000123.4567', 'Milliseconds'),
      microsOfNumber('1700000000123456', 'Microseconds'),
      microsOfNumber('1700000000123456789', 'Nanoseconds'),
      microsOfNumber('1.700000000123456789e18', 'Nanoseconds'),
      microsOfNumber('-1', 'Milliseconds'),
      microsOfNumber('-1', 'Nanoseconds'),
      microsOfNumber('0', 'Nanoseconds'),
      microsOfNumber('1e300', 'Seconds'),
      microsOfNumber('17000000000000000000', 'Seconds'),
      microsOfNumber('', 'Seconds'),
      microsOfNumber('0x1', 'Seconds'),
    ],
    [
      1_700_000_000_000_000,
      1_700_000_000_123_456,
      1_700_000_000_000_000,
      1_700_000_000_123_000,
      1_700_000_000_123_456,
      1_700_000_000_123_456,
      1_700_000_000_123_456,
      1_700_000_000_123_456,
      -1000,
      -1,
      0,
      undefined,
      undefined,
      undefined,
      undefined,
    ],
  )
})

test('RFC 3339 as Date reads it', () => {
  const day = { min: new Date('1970-01-01T00:00:00Z'), max: new Date('2200-01-01T00:00:00Z'), noInvalidDate: true }
  fc.assert(
    fc.property(fc.date(day), (date) => {
      assert.equal(microsOfText(date.toISOString()), date.getTime() * 1000)
    }),
  )
})

test('RFC 3339 offsets, fractions and leap seconds; anything else is none', () => {
  assert.deepEqual(
    [
      '2026-01-31T12:00:00.25+01:00',
      '2026-01-31T12:00:00.123456789Z',
      '2026-01-31t12:00:00z',
      '2016-12-31T23:59:60Z',
      '2026-02-29T00:00:00Z',
      '2026-01-31T12:00:00',
      '2026-01-31',
      '2026-01-31T24:00:00Z',
      '2026-01-31T12:00:00+25:00',
      'yesterday',
    ].map(microsOfText),
    [
      Date.parse('2026-01-31T11:00:00.250Z') * 1000,
      Date.parse('2026-01-31T12:00:00.123Z') * 1000 + 456,
      Date.parse('2026-01-31T12:00:00Z') * 1000,
      Date.parse('2016-12-31T23:59:59Z') * 1000,
      ...new Array(6).fill(undefined),
    ],
  )
})
