/**
 * Reads flat JSON into slots without making strings or objects. It accepts only what needs no thought (known keys, strings
 * without escapes, numbers without exponent, `true`, `false`, `null`) and declines everything else, valid or not: the
 * reference decoder then says what it is. A key that comes twice keeps its last value, as in `JSON.parse`.
 *
 * A stop byte behind the payload (0, which JSON allows nowhere) ends every loop, so none of them checks for the end.
 */
import { isUtf8 } from 'node:buffer'
import { BACKSLASH, CLOSE_BRACE, COLON, COMMA, DOT, isSpace, MINUS, NINE, OPEN_BRACE, QUOTE, ZERO } from './ascii.ts'
import type { KeyTable } from './keys.ts'

export const KIND = { absent: 0, number: 1, text: 2, yes: 3, no: 4 } as const

/** Digits that a double always holds exactly. */
const EXACT_DIGITS = 15

const POWERS = Float64Array.from({ length: 23 }, (_, i) => 10 ** i)

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE

const LITERALS: readonly (readonly [word: string, kind: number])[] = [
  ['true', KIND.yes],
  ['false', KIND.no],
  ['null', KIND.absent],
]

export class Scanner {
  /** By slot: what was found, where its text lies, and for a number its value. */
  kinds = new Uint8Array(0)
  starts = new Int32Array(0)
  ends = new Int32Array(0)
  numbers = new Float64Array(0)
  /** By slot, for a number: end of the text that `String(number)` would give; 0 when the text is not of that form. */
  plainEnds = new Int32Array(0)
  #bytes: Buffer = Buffer.alloc(1)
  #at = 0

  constructor(slots: number) {
    this.resize(slots)
  }

  /** Makes room for so many slots; what was read is forgotten. */
  resize(slots: number): void {
    this.kinds = new Uint8Array(slots)
    this.starts = new Int32Array(slots)
    this.ends = new Int32Array(slots)
    this.numbers = new Float64Array(slots)
    this.plainEnds = new Int32Array(slots)
  }

  /** Reads the object that `bytes[start, end)` is; false when it declines. `bytes[end]` must be the stop byte. */
  object(keys: KeyTable, bytes: Buffer, start: number, end: number): boolean {
    this.#begin(bytes, start)
    this.#space()
    if (bytes[this.#at] !== OPEN_BRACE) return false
    this.#at++
    let previous = keys.start
    do {
      previous = this.#member(keys, previous)
      if (previous < 0) return false
      this.#space()
    } while (bytes[this.#at++] === COMMA)
    return bytes[this.#at - 1] === CLOSE_BRACE && this.#ends(end)
  }

  /** Reads the single value that `bytes[start, end)` is into slot 0. */
  bare(bytes: Buffer, start: number, end: number): boolean {
    this.#begin(bytes, start)
    this.#space()
    return this.#value(0) && this.#ends(end)
  }

  #begin(bytes: Buffer, start: number): void {
    const { kinds } = this
    for (let i = 0; i < kinds.length; i++) kinds[i] = KIND.absent
    this.#bytes = bytes
    this.#at = start
  }

  #ends(end: number): boolean {
    this.#space()
    return this.#at === end
  }

  #space(): void {
    const bytes = this.#bytes
    let at = this.#at
    while (isSpace(bytes[at] as number)) at++
    this.#at = at
  }

  /** Reads `"key": value`; its slot, or -1. */
  #member(keys: KeyTable, previous: number): number {
    const bytes = this.#bytes
    this.#space()
    if (bytes[this.#at] !== QUOTE) return -1
    const slot = keys.find(bytes, this.#at + 1, previous)
    if (slot < 0) return -1
    this.#at += keys.length(slot) + 2
    this.#space()
    if (bytes[this.#at] !== COLON) return -1
    this.#at++
    this.#space()
    return this.#value(slot) ? slot : -1
  }

  #value(slot: number): boolean {
    const first = this.#bytes[this.#at] as number
    if (first === QUOTE) return this.#text(slot)
    return first === MINUS || isDigit(first) ? this.#number(slot) : this.#literal(slot)
  }

  #text(slot: number): boolean {
    const bytes = this.#bytes
    const start = this.#at + 1
    let at = start
    let byte = bytes[at] as number
    let all = 0
    while (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) {
      all |= byte
      byte = bytes[++at] as number
    }
    if (byte !== QUOTE || (all > 0x7f && !isUtf8(bytes.subarray(start, at)))) return false
    this.kinds[slot] = KIND.text
    this.starts[slot] = start
    this.ends[slot] = at
    this.#at = at + 1
    return true
  }

  #literal(slot: number): boolean {
    for (const [word, kind] of LITERALS) {
      if (!this.#word(word)) continue
      this.kinds[slot] = kind
      this.#at += word.length
      return true
    }
    return false
  }

  #word(word: string): boolean {
    for (let i = 0; i < word.length; i++) if (this.#bytes[this.#at + i] !== word.charCodeAt(i)) return false
    return true
  }

  /**
   * Reads a number. Up to 15 digits are an exact integer that one division by an exact power of ten rounds correctly
   * (William Clinger, "How to read floating point numbers accurately", 1990); longer ones go through `Number`.
   */
  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one pass over the digits; cut up it costs a third more.
  #number(slot: number): boolean {
    const bytes = this.#bytes
    const start = this.#at
    const first = bytes[start] === MINUS ? start + 1 : start
    let at = first
    let value = 0
    let byte = bytes[at] as number
    for (; isDigit(byte); byte = bytes[++at] as number) value = value * 10 + (byte - ZERO)
    let plainEnd = at
    let digits = at - first
    if (digits === 0 || (digits > 1 && bytes[first] === ZERO)) return false
    let places = 0
    if (byte === DOT) {
      const dot = at
      byte = bytes[++at] as number
      for (; isDigit(byte); byte = bytes[++at] as number) {
        value = value * 10 + (byte - ZERO)
        if (byte !== ZERO) plainEnd = at + 1
      }
      places = at - dot - 1
      if (places === 0) return false
      digits += places
    }
    if ((byte | 0x20) === 0x65) return false
    this.#at = at
    this.kinds[slot] = KIND.number
    this.starts[slot] = start
    this.ends[slot] = at
    this.#keepNumber(slot, digits <= EXACT_DIGITS ? value / (POWERS[places] as number) : Number.NaN, plainEnd)
    return true
  }

  #keepNumber(slot: number, magnitude: number, plainEnd: number): void {
    const start = this.starts[slot] as number
    const negative = this.#bytes[start] === MINUS
    if (Number.isNaN(magnitude)) {
      const text = this.#bytes.toString('latin1', start, this.ends[slot])
      this.numbers[slot] = Number(text)
      this.plainEnds[slot] = 0
      return
    }
    this.numbers[slot] = negative ? -magnitude : magnitude
    const tiny = magnitude < 1e-6 && (magnitude !== 0 || negative)
    this.plainEnds[slot] = tiny ? 0 : plainEnd
  }
}
