import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { DURATION_LENGTH, DURATION_UNITS, durationMs, QUANTITY_LENGTH, QUANTITY_UNITS, quantityBytes } from './units.ts'

test('durations', () => {
  const table = { '0s': 0, '500ms': 500, '90s': 90_000, '5m': 300_000, '24h': 86_400_000, '30d': 2_592_000_000 }
  for (const [text, ms] of Object.entries(table)) assert.equal(durationMs(text), ms)
  assert.equal(durationMs('2w'), durationMs('14d'))
  assert.equal(durationMs('5y'), durationMs('1825d'))
})

test('quantities', () => {
  const table = { '0': 0, '1024': 1024, '1k': 1000, '1Ki': 1024, '256Mi': 268_435_456, '1G': 1e9, '1Gi': 2 ** 30 }
  for (const [text, bytes] of Object.entries(table)) assert.equal(quantityBytes(text), bytes)
})

test('what is neither is refused with its text', () => {
  for (const text of ['', '5', 'm', '5 m', '-5m', '+5m', '05m', '1.5h', '1h30m', '5min', '5M', '100000s', '5m\n', '٥m'])
    assert.throws(
      () => durationMs(text),
      new RangeError(`${JSON.stringify(text)} is not a duration such as 500ms, 5m, 1h or 30d`),
    )
  for (const text of ['', 'Gi', '1 Gi', '-1', '1.5Gi', '01', '1gi', '1Kib', '1e9', '10000Gi', '1000T', '0Gi', '1Gi\n'])
    assert.throws(() => quantityBytes(text), RangeError)
})

test('every duration and quantity is a safe whole number, and fits the longest text', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 99999 }), fc.constantFrom(...Object.keys(DURATION_UNITS)), (n, unit) => {
      assert.ok(Number.isSafeInteger(durationMs(`${n}${unit}`)))
      assert.ok(`${n}${unit}`.length <= DURATION_LENGTH)
    }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 999 }), fc.constantFrom(...Object.keys(QUANTITY_UNITS)), (n, unit) => {
      assert.ok(Number.isSafeInteger(quantityBytes(`${n}${unit}`)))
      assert.ok(`${n}${unit}`.length <= QUANTITY_LENGTH)
    }),
  )
})

test('any text is parsed or refused, never NaN', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), (text) => {
      for (const parse of [durationMs, quantityBytes])
        try {
          assert.ok(Number.isSafeInteger(parse(text)))
        } catch (error) {
          assert.ok(error instanceof RangeError)
        }
    }),
  )
})
