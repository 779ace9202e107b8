/**
 * Reads the rows of a batch from their bytes, one after the other into the same fields, so that a row leaves no garbage. A row is
 *
 *     table,device=<id>[,<symbol>=<text>…] <column>=<number | integer i | t | f | "text">[,…],digest=<integer>i <ns>\n
 *
 * Columns that nobody asked for are stepped over. A line that is not such a row is counted and passed over.
 *
 * Rows of a fleet mostly hold the same columns in the same order: the column that came next the last time is tried first.
 */
import { numberOf, wholeOf } from './number-text.ts'
import { Texts } from './texts.ts'

const NEWLINE = 0x0a
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const EQUALS = 0x3d
const BACKSLASH = 0x5c
const LETTER_F = 0x66
const LETTER_I = 0x69
const LETTER_T = 0x74
/** Decimal digits of the lower part of a digest. */
const LOW_DIGITS = 9

export type RowColumn = { readonly name: string; readonly isText: boolean }

const UNKNOWN = -1

export class Rows {
  /** Lines that were no rows, since the reader was made. */
  unreadable = 0
  /** Of the current row: where its device's id is in the batch's bytes, its time in µs and its digest, `high · 10⁹ + low`. */
  bytes: Uint8Array = new Uint8Array(0)
  deviceStart = 0
  deviceEnd = 0
  micros = 0
  high = 0
  low = 0
  /** Number of columns with a value, and which ones. */
  count = 0
  readonly columns: Int32Array
  /** Their values in the same order: a number, a boolean as 1 or 0; or a text. */
  readonly numbers: Float64Array
  readonly texts: string[]
  readonly #table: Uint8Array
  readonly #names: readonly Uint8Array[]
  readonly #isText: readonly boolean[]
  readonly #after: Int32Array
  readonly #device: number
  readonly #digest: number
  readonly #strings = new Texts()
  #at = 0
  #hasDigest = false

  /** `table` as it stands in line protocol. */
  constructor(table: string, columns: readonly RowColumn[]) {
    this.#device = columns.length
    this.#digest = columns.length + 1
    this.#table = Buffer.from(`${table},`)
    this.#names = [...columns.map(({ name }) => name), 'device', 'digest'].map((name) => Buffer.from(name))
    this.#isText = columns.map(({ isText }) => isText)
    this.#after = new Int32Array(columns.length + 3)
    this.columns = new Int32Array(columns.length)
    this.numbers = new Float64Array(columns.length)
    this.texts = columns.map(() => '')
  }

  open(bytes: Uint8Array): void {
    this.bytes = bytes
    this.#at = 0
  }

  /** Reads the next row; false behind the last. */
  next(): boolean {
    while (this.#at < this.bytes.length) {
      const start = this.#at
      if (this.#row()) return true
      this.unreadable++
      const end = this.bytes.indexOf(NEWLINE, start)
      this.#at = end < 0 ? this.bytes.length : end + 1
    }
    return false
  }

  #row(): boolean {
    this.count = 0
    this.deviceEnd = 0
    this.#hasDigest = false
    if (!this.#head()) return false
    let previous = this.#names.length
    while (this.bytes[this.#at] === COMMA) {
      this.#at++
      previous = this.#key(previous)
      if (this.#at < 0 || !this.#tag(previous)) return false
    }
    if (this.bytes[this.#at] !== SPACE) return false
    do {
      this.#at++
      previous = this.#key(previous)
      if (this.#at < 0 || !this.#field(previous)) return false
    } while (this.bytes[this.#at] === COMMA)
    return this.#end()
  }

  #head(): boolean {
    const table = this.#table
    const { bytes } = this
    const at = this.#at
    for (let i = 0; i < table.length; i++) if (bytes[at + i] !== table[i]) return false
    this.#at = at + table.length - 1
    return true
  }

  /** Reads `name=`; the column, UNKNOWN for others. `#at` is negative when there is no name. */
  #key(previous: number): number {
    const guess = this.#after[previous === UNKNOWN ? this.#names.length : previous] as number
    const end = this.#matches(guess)
    if (end > 0) {
      this.#at = end
      return guess
    }
    for (let column = 0; column < this.#names.length; column++) {
      const found = this.#matches(column)
      if (found < 0) continue
      this.#after[previous === UNKNOWN ? this.#names.length : previous] = column
      this.#at = found
      return column
    }
    this.#at = this.#skip(EQUALS, EQUALS) + 1
    if (this.bytes[this.#at - 1] !== EQUALS) this.#at = -1
    return UNKNOWN
  }

  /** Where the value begins if the key here is this column's; else -1. */
  #matches(column: number): number {
    const name = this.#names[column] as Uint8Array
    const { bytes } = this
    const at = this.#at
    for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return -1
    return bytes[at + name.length] === EQUALS ? at + name.length + 1 : -1
  }

  /** Where the first of these bytes, or the end of the line, is. */
  #skip(one: number, other: number): number {
    const { bytes } = this
    const end = bytes.length
    let at = this.#at
    for (; at < end; at++) {
      const byte = bytes[at] as number
      if (byte === one || byte === other || byte === NEWLINE) return at
      if (byte === BACKSLASH) at++
    }
    return end
  }

  #tag(column: number): boolean {
    const start = this.#at
    const end = this.#skip(COMMA, SPACE)
    this.#at = end
    if (column === this.#device) {
      this.deviceStart = start
      this.deviceEnd = end
      return end > start
    }
    return column >= 0 && this.#isText[column] ? this.#putText(column, start, end) : true
  }

  #field(column: number): boolean {
    if (this.bytes[this.#at] === QUOTE) return this.#quoted(column)
    const start = this.#at
    const end = this.#skip(COMMA, SPACE)
    this.#at = end
    if (column === this.#digest) return this.#readDigest(start, end)
    if (column === UNKNOWN || column === this.#device || this.#isText[column]) return end > start
    const value = this.#number(start, end)
    if (Number.isNaN(value)) return false
    if (this.count === this.columns.length) return false
    this.numbers[this.count] = value
    this.columns[this.count++] = column
    return true
  }

  #number(start: number, end: number): number {
    const first = this.bytes[start] as number
    if (first === LETTER_T) return 1
    if (first === LETTER_F) return 0
    return numberOf(this.bytes, start, this.bytes[end - 1] === LETTER_I ? end - 1 : end)
  }

  #quoted(column: number): boolean {
    const start = ++this.#at
    const end = this.#skip(QUOTE, QUOTE)
    if (this.bytes[end] !== QUOTE) return false
    this.#at = end + 1
    return column >= 0 && this.#isText[column] ? this.#putText(column, start, end) : true
  }

  #putText(column: number, start: number, end: number): boolean {
    if (this.count === this.columns.length) return false
    this.texts[this.count] = this.#strings.text(this.bytes, start, end)
    this.columns[this.count++] = column
    return true
  }

  /** A signed 64-bit integer, in two parts of one sign each. */
  #readDigest(start: number, end: number): boolean {
    if (this.bytes[end - 1] !== LETTER_I) return false
    const isNegative = this.bytes[start] === MINUS
    const from = isNegative ? start + 1 : start
    const middle = Math.max(from, end - 1 - LOW_DIGITS)
    const high = middle === from ? 0 : wholeOf(this.bytes, from, middle)
    const low = wholeOf(this.bytes, middle, end - 1)
    this.high = isNegative ? -high : high
    this.low = isNegative ? -low : low
    this.#hasDigest = true
    return !Number.isNaN(high + low)
  }

  /** Reads the time, given in ns, and the end of the line. */
  #end(): boolean {
    const start = this.#at + 1
    const end = this.bytes.indexOf(NEWLINE, start)
    if (this.bytes[this.#at] !== SPACE || end < 0 || !this.#hasDigest || this.deviceEnd === 0) return false
    this.micros = wholeOf(this.bytes, start, end - 3)
    this.#at = end + 1
    return !Number.isNaN(this.micros)
  }
}
