/**
 * Reads decimal numbers from bytes. The value of up to 15 digits with up to 22 decimals is the quotient of two doubles that are exact,
 * hence the nearest double (W. D. Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990); all others are left to Number().
 */
const ZERO = 0x30
const MINUS = 0x2d
const DOT = 0x2e
const POWERS = Array.from({ length: 23 }, (_, i) => 10 ** i)
const NUMBER = /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const MOST_DIGITS = 15

const slow = (bytes: Uint8Array, start: number, end: number): number => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
  return NUMBER.test(text) ? Number(text) : Number.NaN
}

/** Where the last run of digits ended. */
let stop = 0

/** Reads digits from `at` on behind those of `value`. */
const digits = (bytes: Uint8Array, at: number, end: number, value: number): number => {
  let whole = value
  for (stop = at; stop < end; stop++) {
    const digit = (bytes[stop] as number) - ZERO
    if (!(digit >= 0 && digit <= 9)) break
    whole = whole * 10 + digit
  }
  return whole
}

/** The number that is `bytes[start, end)`; NaN when it is none. */
export const numberOf = (bytes: Uint8Array, start: number, end: number): number => {
  const isNegative = bytes[start] === MINUS
  const first = isNegative ? start + 1 : start
  let value = digits(bytes, first, end, 0)
  let count = stop - first
  if (stop < end && bytes[stop] === DOT) {
    const decimals = stop + 1
    value = digits(bytes, decimals, end, value)
    count += stop - decimals
    value /= POWERS[Math.min(stop - decimals, MOST_DIGITS)] as number
  }
  if (stop < end || count < 1 || count > MOST_DIGITS) return slow(bytes, start, end)
  return isNegative ? -value : value
}

/** The whole number of digits that is `bytes[start, end)`; NaN when it is none or above 2⁵³. */
export const wholeOf = (bytes: Uint8Array, start: number, end: number): number => {
  const value = digits(bytes, start, end, 0)
  return stop === end && end > start && value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN
}
