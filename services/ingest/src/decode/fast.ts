/**
 * The fast decoder: from the bytes of a message to the bytes of its row, in one pass to read and one to write, without a
 * string or an object. It writes a row only when the message is certainly good; else it declines and the reference
 * decoder (`reference.ts`) decides. Where it writes, both write the same bytes: a property test holds them together.
 *
 * Numbers whose text is what `String(Number(text))` gives are copied; the others are written in that form.
 */

import { Digest } from '@fleetloom/shared/rows/digest'
import { microsOfNumber, microsOfText } from '@fleetloom/shared/rows/timestamp'
import { bytesOf, LETTER_I, OPEN_BRACE, QUOTE, SPACE } from './ascii.ts'
import type { Message } from './message.ts'
import type { Field, Plan } from './plan.ts'
import { RowWriter } from './row-writer.ts'
import { KIND, Scanner } from './scan.ts'
import { MAX_TEXT_BYTES } from './schema.ts'

const DECLINED = -1
const DIGEST = bytesOf(',digest=')
const NOTHING: readonly string[] = []
/** Most undeclared keys that are learnt; messages with others are left to the reference decoder. */
const MAX_EXTRAS = 64
const LETTER_T = 0x74
const LETTER_F = 0x66
/** Length of a plain timestamp in milliseconds from 2001 to 2286. */
const MILLIS_DIGITS = 13

const bytesIn = (characters: string): Uint8Array => {
  const marks = new Uint8Array(256)
  for (const character of characters) marks[character.charCodeAt(0)] = 1
  return marks
}

const ESCAPED_IN_SYMBOL = bytesIn(' ,=\\')
const ESCAPED_IN_STRING = bytesIn('"\\')

export class FastDecoder {
  /** Of the last row: its time, µs since the epoch, and whether the message carried it. */
  micros = 0
  timed = false
  readonly #plan: Plan
  readonly #scan: Scanner
  readonly #row = new RowWriter()
  readonly #digest = new Digest()
  readonly #timeSlot: number
  /** Names of keys that the fleet does not declare, by slot from the first behind the timestamp's. */
  readonly #extras: string[] = []
  readonly #pastMicros: number
  readonly #futureMicros: number

  constructor(plan: Plan) {
    this.#plan = plan
    this.#scan = new Scanner(plan.fields.length + 1)
    this.#timeSlot = plan.fields.length
    this.#pastMicros = plan.document.payload.acceptPastMs * 1000
    this.#futureMicros = plan.document.payload.acceptFutureMs * 1000
  }

  /** Writes the row of a JSON object to `out[at…]`; its end, or -1. `out` must have room for `rowBound` bytes. */
  json(message: Message, out: Uint8Array, at: number): number {
    const { bytes, payloadStart, payloadEnd } = message
    const behind = bytes[payloadEnd] as number
    bytes[payloadEnd] = 0
    const isRead = this.#scan.object(this.#plan.keys, bytes, payloadStart, payloadEnd)
    bytes[payloadEnd] = behind
    if (!isRead || !this.#time(message)) return DECLINED
    this.#begin(message, out, at)
    const head = this.#row.at
    if (!this.#all(this.#plan.symbols, bytes)) return DECLINED
    const values = this.#row.at
    if (!this.#all(this.#plan.values, bytes) || this.#row.at === head) return DECLINED
    return this.#end(message, values)
  }

  /** The same for one value of the measurement that the topic names. */
  scalar(message: Message, out: Uint8Array, at: number): number {
    const slot = this.#plan.keys.exact(message.bytes, message.measurementStart, message.measurementEnd)
    const field = this.#plan.fields[slot]
    if (field === undefined || !this.#readScalar(field, message)) return DECLINED
    if (this.#scan.kinds[0] === KIND.absent || !this.#time(message)) return DECLINED
    this.#begin(message, out, at)
    const head = this.#row.at
    if (!this.#field(field, 0, message.bytes)) return DECLINED
    return this.#end(message, field.type === 'Symbol' ? this.#row.at : head)
  }

  /** Makes an undeclared key known, so that messages with it need not be declined for it. */
  learn(name: string): void {
    if (this.#extras.length >= MAX_EXTRAS || this.#extras.includes(name)) return
    this.#extras.push(name)
    this.#plan.keys.add(name)
    this.#plan.scalarKeys.add(name)
    this.#scan.resize(this.#timeSlot + 1 + this.#extras.length)
  }

  /** Undeclared keys of the last message, those with null left out. */
  get unknown(): readonly string[] {
    if (this.#extras.length === 0) return NOTHING
    const { kinds } = this.#scan
    return this.#extras.filter((_, i) => kinds[this.#timeSlot + 1 + i] !== KIND.absent)
  }

  #readScalar(field: Field, { bytes, payloadStart, payloadEnd }: Message): boolean {
    const isObject = bytes[payloadStart] === OPEN_BRACE
    // Bare text for a text measurement need not be JSON: the reference decides what it is.
    if (!isObject && (field.type === 'Symbol' || field.type === 'String')) return false
    const behind = bytes[payloadEnd] as number
    bytes[payloadEnd] = 0
    const isRead = isObject
      ? this.#scan.object(this.#plan.scalarKeys, bytes, payloadStart, payloadEnd)
      : this.#scan.bare(bytes, payloadStart, payloadEnd)
    bytes[payloadEnd] = behind
    return isRead
  }

  #time(message: Message): boolean {
    const kind = this.#scan.kinds[this.#timeSlot]
    this.timed = kind !== KIND.absent
    this.micros = this.timed ? this.#micros(message.bytes, kind) : message.arrivalMicros
    const age = message.arrivalMicros - this.micros
    return age <= this.#pastMicros && -age <= this.#futureMicros
  }

  /** NaN when it is not certain: no comparison with it holds. */
  #micros(bytes: Buffer, kind: number | undefined): number {
    const start = this.#scan.starts[this.#timeSlot] as number
    const end = this.#scan.ends[this.#timeSlot] as number
    const { timestampUnit } = this.#plan.document.payload
    if (kind !== (timestampUnit === 'RFC3339' ? KIND.text : KIND.number)) return Number.NaN
    if (timestampUnit === 'Milliseconds' && end - start === MILLIS_DIGITS) {
      const millis = this.#scan.numbers[this.#timeSlot] as number
      if (Number.isInteger(millis)) return millis * 1000
    }
    const text = bytes.toString('latin1', start, end)
    return (timestampUnit === 'RFC3339' ? microsOfText(text) : microsOfNumber(text, timestampUnit)) ?? Number.NaN
  }

  #begin(message: Message, out: Uint8Array, at: number): void {
    const row = this.#row
    row.out = out
    row.at = at
    row.all(this.#plan.headBytes)
    row.copy(message.bytes, message.deviceStart, message.deviceEnd)
  }

  #all(fields: readonly Field[], bytes: Buffer): boolean {
    const { kinds } = this.#scan
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as Field
      if (kinds[field.index] !== KIND.absent && !this.#field(field, field.index, bytes)) return false
    }
    return true
  }

  #field(field: Field, slot: number, bytes: Buffer): boolean {
    this.#row.all(field.labelBytes)
    switch (field.type) {
      case 'Double':
        return this.#number(field, slot, bytes)
      case 'Long':
        return this.#long(field, slot, bytes)
      case 'Boolean':
        return this.#boolean(slot)
      default:
        return this.#text(field, slot, bytes)
    }
  }

  #number({ minimum, maximum }: Field, slot: number, bytes: Buffer): boolean {
    const value = this.#scan.numbers[slot] as number
    if (this.#scan.kinds[slot] !== KIND.number || !(value >= minimum && value <= maximum)) return false
    const plainEnd = this.#scan.plainEnds[slot] as number
    if (plainEnd > 0) this.#row.copy(bytes, this.#scan.starts[slot] as number, plainEnd)
    else if (Number.isFinite(value)) this.#row.ascii(String(value))
    else return false
    return true
  }

  #long(field: Field, slot: number, bytes: Buffer): boolean {
    if (!Number.isSafeInteger(this.#scan.numbers[slot]) || !this.#number(field, slot, bytes)) return false
    this.#row.byte(LETTER_I)
    return true
  }

  #boolean(slot: number): boolean {
    const kind = this.#scan.kinds[slot]
    this.#row.byte(kind === KIND.yes ? LETTER_T : LETTER_F)
    return kind === KIND.yes || kind === KIND.no
  }

  #text(field: Field, slot: number, bytes: Buffer): boolean {
    const start = this.#scan.starts[slot] as number
    const end = this.#scan.ends[slot] as number
    if (this.#scan.kinds[slot] !== KIND.text || end - start > MAX_TEXT_BYTES) return false
    if (field.type === 'Symbol') {
      this.#row.escape(bytes, { start, end }, ESCAPED_IN_SYMBOL)
      return true
    }
    this.#row.byte(QUOTE)
    this.#row.escape(bytes, { start, end }, ESCAPED_IN_STRING)
    this.#row.byte(QUOTE)
    return true
  }

  /** Writes what ends a row; `values` is where its symbols end: the comma there becomes the space of line protocol. */
  #end(message: Message, values: number): number {
    const row = this.#row
    row.all(DIGEST)
    row.out[values] = SPACE
    this.#digest.topic(message.view, message.topicStart, message.topicEnd)
    this.#digest.payload(message.view, message.payloadStart, message.payloadEnd)
    row.int64(this.#digest.high, this.#digest.low)
    row.byte(LETTER_I)
    row.end(this.micros)
    return row.at
  }
}

/** Most bytes that the row of a message can take, from either decoder. */
export const rowBound = (plan: Plan, message: Message): number =>
  plan.rowOverhead +
  Math.min(plan.mostValueBytes, (message.payloadEnd - message.payloadStart) * 3) +
  (message.deviceEnd - message.deviceStart)
