import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { writeInt64, writeWhole } from './ascii.ts'

const written = (write: (out: Uint8Array) => number): string => {
  const out = Buffer.alloc(32)
  return out.toString('latin1', 0, write(out))
}

test('64-bit integers come out as BigInt writes them', () => {
  const check = (value: bigint) => {
    const [high, low] = [Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value))]
    assert.equal(
      written((out) => writeInt64(out, 0, high, low)),
      String(value),
    )
  }
  const edges = [
    0n,
    1n,
    -1n,
    999_999_999n,
    1_000_000_000n,
    -1_000_000_000n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    1n - 2n ** 63n,
  ]
  edges.forEach(check)
  fc.assert(fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), check))
})

test('whole numbers up to 2^53 come out as String writes them', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      assert.equal(
        written((out) => writeWhole(out, 0, value)),
        String(value),
      )
    }),
  )
})
