/**
 * Events by type in a window of event time: 60 aligned buckets of a sixtieth of its length each; at time t it holds those of
 * the bucket of t and the 59 before it. A bucket is taken off whole, by integers, so the counts are exact.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

const BUCKETS = 60
const FIRST_TYPES = 16

export class EventWindow {
  readonly #bucketMicros: number
  /** Number of the newest bucket, counted from the epoch. */
  #newest = 0
  /** Counts by bucket and type, `#width` of them for each bucket. */
  #grid = new Uint32Array(BUCKETS * FIRST_TYPES)
  #width = FIRST_TYPES
  #sums: number[] = []

  /** `lengthMicros` is a multiple of 60. */
  constructor(lengthMicros: number) {
    this.#bucketMicros = lengthMicros / BUCKETS
  }

  /** Where the window begins, µs. */
  get startMicros(): number {
    return Math.max(0, this.#newest - BUCKETS + 1) * this.#bucketMicros
  }

  /** Events of a type in the window. */
  count(type: number): number {
    return this.#sums[type] ?? 0
  }

  /** Moves the window on; it never moves back. */
  advance(nowMicros: number): void {
    const bucket = Math.floor(nowMicros / this.#bucketMicros)
    const from = Math.max(this.#newest + 1, bucket - BUCKETS + 1)
    for (let next = from; next <= bucket; next++) this.#clear((next % BUCKETS) * this.#width)
    this.#newest = Math.max(this.#newest, bucket)
  }

  /** Counts an event that is not newer than the window; false when it is older. */
  add(micros: number, type: number): boolean {
    const bucket = Math.floor(micros / this.#bucketMicros)
    if (bucket <= this.#newest - BUCKETS) return false
    this.#put(bucket % BUCKETS, type, 1)
    return true
  }

  #put(slot: number, type: number, count: number): void {
    while (type >= this.#width) this.#widen()
    const cell = slot * this.#width + type
    this.#grid[cell] = (this.#grid[cell] as number) + count
    this.#sums[type] = this.count(type) + count
  }

  #clear(row: number): void {
    for (let type = 0; type < this.#sums.length; type++) {
      this.#sums[type] = this.count(type) - (this.#grid[row + type] as number)
      this.#grid[row + type] = 0
    }
  }

  #widen(): void {
    const [grid, width] = [this.#grid, this.#width]
    this.#width = width * 2
    this.#grid = new Uint32Array(BUCKETS * this.#width)
    for (let slot = 0; slot < BUCKETS; slot++)
      this.#grid.set(grid.subarray(slot * width, (slot + 1) * width), slot * this.#width)
  }

  write(out: ByteWriter): void {
    out.f64(this.#newest)
    out.u16(this.#sums.length)
    for (let slot = 0; slot < BUCKETS; slot++)
      for (let type = 0; type < this.#sums.length; type++) out.u32(this.#grid[slot * this.#width + type] as number)
  }

  static read(from: ByteReader, lengthMicros: number): EventWindow {
    const window = new EventWindow(lengthMicros)
    window.#newest = from.f64()
    const types = from.u16()
    for (let slot = 0; slot < BUCKETS; slot++)
      for (let type = 0; type < types; type++) window.#put(slot, type, from.u32())
    return window
  }
}
