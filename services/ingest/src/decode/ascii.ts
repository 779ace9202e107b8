/** Bytes with a meaning in JSON, topics and line protocol, and writers of decimal text into byte arrays. */

export const QUOTE = 0x22
export const BACKSLASH = 0x5c
export const SPACE = 0x20
export const COMMA = 0x2c
export const EQUALS = 0x3d
export const COLON = 0x3a
export const SLASH = 0x2f
export const MINUS = 0x2d
export const DOT = 0x2e
export const ZERO = 0x30
export const NINE = 0x39
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d
export const NEWLINE = 0x0a
export const LETTER_I = 0x69

const encoder = new TextEncoder()

export const bytesOf = (text: string): Uint8Array => encoder.encode(text)

/** Whether JSON allows the byte between tokens. */
export const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Writes ASCII text and returns the new end. */
export const writeText = (out: Uint8Array, at: number, text: string): number => {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** Digits of 0…999, three bytes each. */
const TRIPLES = new Uint8Array(3000)
for (let i = 0; i < 1000; i++) writeText(TRIPLES, i * 3, String(i).padStart(3, '0'))

const writeTriple = (out: Uint8Array, at: number, value: number): void => {
  const from = value * 3
  out[at] = TRIPLES[from] as number
  out[at + 1] = TRIPLES[from + 1] as number
  out[at + 2] = TRIPLES[from + 2] as number
}

/** Writes nine digits of 0 ≤ value < 10⁹, zeros in front, and returns the new end. */
export const writeNine = (out: Uint8Array, at: number, value: number): number => {
  const thousands = (value / 1000) | 0
  const millions = (thousands / 1000) | 0
  writeTriple(out, at, millions)
  writeTriple(out, at + 3, thousands - millions * 1000)
  writeTriple(out, at + 6, value - thousands * 1000)
  return at + 9
}

/** Writes 0 ≤ value < 10⁹ without zeros in front and returns the new end. */
export const writeSmall = (out: Uint8Array, at: number, value: number): number => {
  let digits = 1
  for (let limit = 10; digits < 9 && value >= limit; limit *= 10) digits++
  let rest = value
  for (let to = at + digits - 1; to >= at; to--) {
    const next = (rest / 10) | 0
    out[to] = ZERO + (rest - next * 10)
    rest = next
  }
  return at + digits
}

/** Writes a whole number 0 ≤ value < 2⁵³ and returns the new end. */
export const writeWhole = (out: Uint8Array, at: number, value: number): number => {
  if (value < 1e9) return writeSmall(out, at, value)
  const high = Math.floor(value / 1e9)
  return writeNine(out, writeSmall(out, at, high), value - high * 1e9)
}

/**
 * Writes the signed 64-bit integer `high · 2³² + low` (high signed, low as any 32 bits) and returns the new end. Long
 * division by 10⁹ in 16-bit steps keeps every intermediate below 2⁵³.
 */
export const writeInt64 = (out: Uint8Array, at: number, high: number, low: number): number => {
  let to = at
  let h = high >>> 0
  let l = low >>> 0
  if (high < 0) {
    out[to++] = MINUS
    l = (~l + 1) >>> 0
    h = (~h + (l === 0 ? 1 : 0)) >>> 0
  }
  const top = Math.floor(h / 1e9)
  const first = (h - top * 1e9) * 0x10000 + (l >>> 16)
  const upper = Math.floor(first / 1e9)
  const second = (first - upper * 1e9) * 0x10000 + (l & 0xffff)
  const lower = Math.floor(second / 1e9)
  const quotient = top * 0x100000000 + upper * 0x10000 + lower
  const rest = second - lower * 1e9
  return quotient === 0 ? writeSmall(out, to, rest) : writeNine(out, writeWhole(out, to, quotient), rest)
}
