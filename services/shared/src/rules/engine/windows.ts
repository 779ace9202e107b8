/**
 * Windows of one length over one measurement, for many devices: all that rules ask of such a window is in one record of plain numbers per
 * watched device, so that a reading touches few lines of memory. Records are in pages.
 *
 *     newest · flip · filled (2) · last (value, time) · back (a cell) · ring (60 cells)
 *
 * A cell is what is kept of some buckets (`folds.ts`). The ring is a queue of two stacks in place (the "two-stack" aggregation;
 * K. Tangwongsan, M. Hirzel, S. Schneider, "Low-Latency Sliding-Window Aggregation in Worst-Case Constant Time", DEBS 2017, section 2).
 * Buckets below `flip` are the front: cell i holds the fold of the buckets i … flip − 1. Buckets from `flip` on are the back: their
 * cells are raw, and `back` is the fold of them all. The window's value is the front's oldest cell merged with `back`. When the front is
 * used up the back becomes the front, in one pass that goes from new to old; each bucket goes through that once, so a step costs
 * amortised O(1) and nothing is subtracted.
 *
 * `filled` has a bit per cell of the ring whose bucket holds readings: it tells when something leaves. So a reading touches the head of
 * the record, and two neighbours of the ring: the cell of its bucket and the oldest one.
 */
import { Layout, type Part, type Whole } from './folds.ts'
import { BUCKETS, type WindowClock } from './moment.ts'
import { Slots } from './slots.ts'

const NEWEST = 0
const FLIP = 1
const FILLED = 2
const LAST = 4
const BACK = 6
const HALF = BUCKETS / 2
const PAGE_BITS = 6
const PAGE_RECORDS = 1 << PAGE_BITS
const NOBODY = -1

/** Where in a record the bit of a cell of the ring is, and the bit. */
const halfOf = (slot: number): number => FILLED + (slot < HALF ? 0 : 1)
const bitOf = (slot: number): number => 1 << (slot % HALF)

export class Windows {
  readonly #clock: WindowClock
  readonly #slots = new Slots()
  #layout: Layout
  #ring = 0
  #stride = 0
  #pages: Float64Array[] = []
  /** The record at hand. */
  #page: Float64Array = new Float64Array(0)
  #at = 0
  #saved: Float64Array = new Float64Array(0)
  /** The answer that was given last: whose, and at which bucket. */
  #whole: Whole
  #whose = NOBODY
  #bucket = 0

  constructor(parts: readonly Part[], clock: WindowClock) {
    this.#clock = clock
    this.#layout = new Layout(parts)
    this.#whole = this.#shape()
  }

  /** Keeps these parts too, from now on. */
  extend(parts: readonly Part[]): void {
    this.keep([...this.#layout.parts, ...parts])
  }

  /** Keeps these parts alone; those that are new begin empty. */
  keep(parts: readonly Part[]): void {
    const [former, next] = [this.#layout, new Layout(parts)]
    if (next.code === former.code) return
    const [pages, stride] = [this.#pages, this.#stride]
    this.#layout = next
    this.#whole = this.#shape()
    this.#pages = pages.map(() => new Float64Array(PAGE_RECORDS * this.#stride))
    for (let slot = 0; slot < pages.length * PAGE_RECORDS; slot++) {
      this.#seek(slot)
      const at = (slot % PAGE_RECORDS) * stride
      this.#take((pages[slot >> PAGE_BITS] as Float64Array).subarray(at, at + stride), former)
    }
  }

  watch(device: number): void {
    if (this.#slots.of(device) >= 0) return
    const slot = this.#slots.take(device)
    if (slot >> PAGE_BITS >= this.#pages.length) this.#pages.push(new Float64Array(PAGE_RECORDS * this.#stride))
    this.#seek(slot)
    this.#reset(0)
  }

  forget(device: number): void {
    this.#whose = NOBODY
    this.#slots.free(device)
  }

  isWatched(device: number): boolean {
    return this.#slots.of(device) >= 0
  }

  /** Asks for the memory that `add` and `whole` will read, so that the waits for several windows overlap. */
  fetch(device: number): number {
    const slot = this.#slots.of(device)
    if (slot < 0) return 0
    this.#seek(slot)
    const ring = this.#at + this.#ring
    const cell = ring + this.#clock.slot * this.#layout.width
    return (this.#page[this.#at] as number) + (this.#page[ring] as number) + (this.#page[cell] as number)
  }

  /** Takes a reading at the moment of the clock, which is `micros`. */
  add(device: number, value: number, micros: number): void {
    if (!this.#open(device)) return
    const [page, at, layout] = [this.#page, this.#at, this.#layout]
    const { slot } = this.#clock
    layout.add(page, at + BACK, value, micros)
    layout.add(page, at + this.#ring + slot * layout.width, value, micros)
    page[at + halfOf(slot)] = (page[at + halfOf(slot)] as number) | bitOf(slot)
    page[at + LAST] = value
    page[at + LAST + 1] = micros
    this.#whose = NOBODY
  }

  /** The fold of the whole window at the moment of the clock; valid until the next call. */
  whole(device: number): Whole {
    const whole = this.#whole
    if (this.#whose === device && this.#bucket === this.#clock.bucket) return whole
    this.#whose = device
    this.#bucket = this.#clock.bucket
    if (this.#open(device)) this.#fold(whole.cells)
    else this.#layout.clear(whole.cells, 0)
    return whole
  }

  /** The first time, not before `from`, at which a reading leaves the window; infinite when none is to leave. */
  nextLeave(device: number, from: number): number {
    const slot = this.#slots.of(device)
    if (slot < 0) return Number.POSITIVE_INFINITY
    this.#seek(slot)
    const first = (this.#page[this.#at + NEWEST] as number) - (BUCKETS - 1)
    const place = first - BUCKETS * Math.floor(first / BUCKETS)
    for (let i = 0; i < BUCKETS; i++) {
      const cell = (place + i) % BUCKETS
      if (((this.#page[this.#at + halfOf(cell)] as number) & bitOf(cell)) === 0) continue
      const leaves = this.#clock.leaves(first + i)
      if (leaves >= from) return leaves
    }
    return Number.POSITIVE_INFINITY
  }

  /** A copy of a device's record, behind the code of its layout; valid until the next call. */
  save(device: number): Float64Array {
    this.#seek(this.#slots.of(device))
    if (this.#saved.length !== 1 + this.#stride) this.#saved = new Float64Array(1 + this.#stride)
    const record = this.#saved
    record[0] = this.#layout.code
    record.set(this.#page.subarray(this.#at, this.#at + this.#stride), 1)
    return record
  }

  /** Takes a record over, as far as its layout goes. */
  load(device: number, record: Float64Array): void {
    const slot = this.#slots.of(device)
    const layout = Layout.of(record[0] ?? 0)
    if (slot < 0 || record.length !== 1 + BACK + (BUCKETS + 1) * layout.width) return
    this.#seek(slot)
    this.#take(record.subarray(1), layout)
  }

  get bytes(): number {
    return this.#pages.length * PAGE_RECORDS * this.#stride * 8 + this.#slots.bytes
  }

  /** Fits the records to the layout. */
  #shape(): Whole {
    const { width } = this.#layout
    this.#ring = BACK + width
    this.#stride = this.#ring + BUCKETS * width
    this.#whose = NOBODY
    return { cells: new Float64Array(width + 2), layout: this.#layout }
  }

  /** Makes the record at hand of one of another layout; what that has not is empty. */
  #take(record: Float64Array, layout: Layout): void {
    const [page, at] = [this.#page, this.#at]
    this.#reset(0)
    page.set(record.subarray(0, BACK), at)
    for (let cell = 0; cell <= BUCKETS; cell++) {
      const from = { layout, at: BACK + cell * layout.width }
      this.#layout.copy(page, at + BACK + cell * this.#layout.width, record, from)
    }
  }

  #seek(slot: number): void {
    this.#page = this.#pages[slot >> PAGE_BITS] as Float64Array
    this.#at = (slot & (PAGE_RECORDS - 1)) * this.#stride
  }

  /** Finds a device's record and moves it to the moment of the clock; false when the device is not watched. */
  #open(device: number): boolean {
    const slot = this.#slots.of(device)
    if (slot < 0) return false
    this.#seek(slot)
    const { bucket } = this.#clock
    const newest = this.#page[this.#at + NEWEST] as number
    if (bucket === newest) return true
    if (bucket - newest >= BUCKETS || bucket < newest) this.#reset(bucket)
    else for (let next = newest + 1; next <= bucket; next++) this.#step(next)
    return true
  }

  /** Folds the record at hand. */
  #fold(cells: Float64Array): void {
    const page = this.#page
    const at = this.#at
    const { width } = this.#layout
    const hasFront = (page[at + FLIP] as number) > this.#clock.bucket - (BUCKETS - 1)
    const next = this.#clock.slot === BUCKETS - 1 ? 0 : this.#clock.slot + 1
    const from = hasFront ? at + this.#ring + next * width : at + BACK
    for (let i = 0; i < width; i++) cells[i] = page[from + i] as number
    if (hasFront) this.#layout.merge(cells, 0, page, at + BACK)
    cells[width] = page[at + LAST] as number
    cells[width + 1] = page[at + LAST + 1] as number
  }

  /** Empties the record: its front is 59 empty buckets. */
  #reset(bucket: number): void {
    const [page, at] = [this.#page, this.#at]
    this.#whose = NOBODY
    page[at + NEWEST] = bucket
    page[at + FLIP] = bucket
    page[at + FILLED] = 0
    page[at + FILLED + 1] = 0
    page[at + LAST] = Number.NaN
    page[at + LAST + 1] = Number.NEGATIVE_INFINITY
    const { width } = this.#layout
    for (let cell = at + BACK; cell < at + this.#stride; cell += width) this.#layout.clear(page, cell)
  }

  /** Lets `bucket` in at the cell of the bucket that leaves. */
  #step(bucket: number): void {
    const [page, at] = [this.#page, this.#at]
    const slot = (this.#clock.slot - (this.#clock.bucket - bucket) + BUCKETS) % BUCKETS
    if (bucket - BUCKETS >= (page[at + FLIP] as number)) this.#flip(bucket, slot)
    this.#layout.clear(page, at + this.#ring + slot * this.#layout.width)
    page[at + halfOf(slot)] = (page[at + halfOf(slot)] as number) & ~bitOf(slot)
    page[at + NEWEST] = bucket
  }

  /** Makes all buckets before `bucket` the front. */
  #flip(bucket: number, slot: number): void {
    const [page, at] = [this.#page, this.#at]
    const { width } = this.#layout
    const ring = at + this.#ring
    let newer = slot === 0 ? BUCKETS - 1 : slot - 1
    for (let count = 2; count < BUCKETS; count++) {
      const older = newer === 0 ? BUCKETS - 1 : newer - 1
      this.#layout.merge(page, ring + older * width, page, ring + newer * width)
      newer = older
    }
    this.#layout.clear(page, at + BACK)
    page[at + FLIP] = bucket
  }
}
