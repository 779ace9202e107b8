/** The little of DER (X.690) that a revocation list needs: elements are a tag, a length and contents; everything is a Buffer. */

export const TAGS = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  explicit0: 0xa0,
} as const

const lengthOf = (size: number): Buffer => {
  if (size < 0x80) return Buffer.from([size])
  const hex = size.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes])
}

export const element = (tag: number, ...contents: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body])
}

export const sequence = (...contents: readonly Uint8Array[]): Buffer => element(TAGS.sequence, ...contents)

/** A positive number, in hexadecimal. */
export const integer = (hex: string): Buffer => {
  const digits = hex.replace(/^0+(?=.)/, '')
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
  const sign = (bytes[0] as number) > 0x7f ? [0] : []
  return element(TAGS.integer, Buffer.from(sign), bytes)
}

const base128 = (value: number): number[] =>
  value < 0x80 ? [value] : [...base128(value >>> 7).map((byte) => byte | 0x80), value & 0x7f]

/** An object identifier as `1.2.840`. */
export const oid = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(TAGS.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** Until 2049 with two digits of the year, as RFC 5280 asks; to the second. */
export const time = (at: Date): Buffer => {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return at.getUTCFullYear() < 2050
    ? element(TAGS.utcTime, Buffer.from(digits.slice(2)))
    : element(TAGS.generalizedTime, Buffer.from(digits))
}

export type Element = { readonly tag: number; readonly content: Buffer; readonly whole: Buffer }

const MOST_LENGTH_BYTES = 4

/** The elements that follow one another in `bytes`. @throws RangeError when they do not fill it. */
export const elements = (bytes: Buffer): Element[] => {
  const found: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const first = bytes.readUInt8(at + 1)
    const long = first < 0x80 ? 0 : first & 0x7f
    if (first === 0x80 || long > MOST_LENGTH_BYTES) throw new RangeError('not DER: a length of an unknown form')
    const start = at + 2 + long
    const end = start + (long === 0 ? first : bytes.readUIntBE(at + 2, long))
    if (end > bytes.length) throw new RangeError('not DER: an element is cut short')
    found.push({ tag: bytes.readUInt8(at), content: bytes.subarray(start, end), whole: bytes.subarray(at, end) })
    at = end
  }
  return found
}
