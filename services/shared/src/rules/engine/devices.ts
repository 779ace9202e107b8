/** The devices of a shard: who they are, how far their time is, and when they were heard. All times of theirs are in µs. */
import { DeviceTable } from './device-table.ts'
import type { Labels } from './ports.ts'
import { Field, Records } from './records.ts'

const NONE = Number.NEGATIVE_INFINITY
/** Most rows of one instant whose keys are remembered, beyond the first. */
const MOST_KEYS = 1000

export class Devices {
  readonly table = new DeviceTable()
  readonly labels: Labels[] = []
  readonly #records = new Records([NONE, 0, NONE, NONE, 0, 0, 0, 0, 0])
  /** Newest accepted time, and when its row was stored, in the time of the stream, ms. */
  readonly watermark = new Field(this.#records, 0)
  readonly storedAt = new Field(this.#records, 1)
  /** Time of the newest row that was used, by its own stamp; and the time up to which the device was judged. */
  readonly released = new Field(this.#records, 2)
  readonly judged = new Field(this.#records, 3)
  /** When any row was heard, in the time of the stream, ms. */
  readonly heard = new Field(this.#records, 4)
  /** JetStream time of the last message with a row, ms; 0 for never. */
  readonly seenMs = new Field(this.#records, 5)
  readonly online = new Field(this.#records, 6)
  readonly #high = new Field(this.#records, 7)
  readonly #low = new Field(this.#records, 8)
  /** Keys at the released time beyond the first, `high, low` one after the other. */
  readonly #more = new Map<number, number[]>()

  id(device: number): string {
    return this.table.id(device) ?? ''
  }

  add(id: string, labels: Labels): number {
    const device = this.table.add(id)
    this.labels[device] = labels
    return device
  }

  remove(device: number): void {
    this.table.remove(device)
    this.labels[device] = {}
    this.#records.clear(device)
    this.#more.delete(device)
  }

  /** Whether a row with this digest was used at the released time. */
  isRepeat(device: number, high: number, low: number): boolean {
    if (this.#high.get(device) === high && this.#low.get(device) === low) return true
    const more = this.#more.size > 0 ? this.#more.get(device) : undefined
    if (!more) return false
    for (let i = 0; i < more.length; i += 2) if (more[i] === high && more[i + 1] === low) return true
    return false
  }

  /** Remembers that a row was used. */
  release(device: number, micros: number, high: number, low: number): void {
    if (micros > this.released.get(device)) {
      this.released.set(device, micros)
      this.#high.set(device, high)
      this.#low.set(device, low)
      if (this.#more.size > 0) this.#more.delete(device)
      return
    }
    const more = this.#more.get(device)
    if (!more) this.#more.set(device, [high, low])
    else if (more.length < MOST_KEYS * 2) more.push(high, low)
  }

  get bytes(): number {
    return this.#records.cells.byteLength
  }

  save(device: number): Float64Array {
    return Float64Array.of(...this.#records.record(device), ...(this.#more.get(device) ?? []))
  }

  load(device: number, record: Float64Array): void {
    const { width } = this.#records
    this.#records.record(device).set(record.subarray(0, width))
    const more = [...record.subarray(width)]
    if (more.length > 0) this.#more.set(device, more)
  }
}
