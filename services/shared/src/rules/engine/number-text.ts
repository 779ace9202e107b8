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

/** The number that is `bytes[start, end)`; NaN when it is none. */
export const numberOf = (bytes: Uint8Array, start: number, end: number): number => {
  const isNegative = bytes[start] === MINUS
  let value = 0
  let dot = -1
  for (let at = isNegative ? start + 1 : start; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO
    if (digit >= 0 && digit <= 9) value = value * 10 + digit
    else if (bytes[at] === DOT && dot < 0) dot = at
    else return slow(bytes, start, end)
  }
  const digits = end - start - (isNegative ? 1 : 0) - (dot < 0 ? 0 : 1)
  if (digits < 1 || digits > MOST_DIGITS) return slow(bytes, start, end)
  if (dot >= 0) value /= POWERS[end - dot - 1] as number
  return isNegative ? -value : value
}

/** The whole number of digits that is `bytes[start, end)`; NaN when it is none or above 2⁵³. */
export const wholeOf = (bytes: Uint8Array, start: number, end: number): number => {
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return end > start && value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN
}
