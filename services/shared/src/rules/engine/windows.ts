/**
 * Windows of one length over one measurement with one fold, for many devices: a record of plain numbers per watched device, in pages.
 *
 *     newest · flip · filled (2) · back (lanes) · ring (60 × lanes)
 *
 * The ring is a queue of two stacks in place (the "two-stack" aggregation; K. Tangwongsan, M. Hirzel, S. Schneider, "Low-Latency
 * Sliding-Window Aggregation in Worst-Case Constant Time", DEBS 2017, section 2). Buckets below `flip` are the front: cell i holds the
 * fold of the buckets i … flip − 1. Buckets from `flip` on are the back: their cells are raw, and `back` is the fold of them all. The
 * window's value is the front's oldest cell merged with `back`. When the front is used up the back becomes the front, in one pass
 * that goes from new to old; each bucket goes through that once, so a step costs amortised O(1) and nothing is subtracted.
 *
 * `filled` has a bit per cell of the ring whose bucket holds readings: it tells when something leaves.
 */
import type { Fold } from './folds.ts'
import { BUCKETS, type WindowClock } from './moment.ts'
import { Slots } from './slots.ts'

const NEWEST = 0
const FLIP = 1
const FILLED = 2
const BACK = 4
const HALF = BUCKETS / 2
const PAGE_BITS = 6
const PAGE_RECORDS = 1 << PAGE_BITS

export class Windows {
  readonly #fold: Fold
  readonly #clock: WindowClock
  readonly #ring: number
  readonly #stride: number
  readonly #pages: Float64Array[] = []
  readonly #slots = new Slots()
  readonly #answer: Float64Array
  #page: Float64Array = new Float64Array(0)
  #at = 0

  constructor(fold: Fold, clock: WindowClock) {
    this.#fold = fold
    this.#clock = clock
    this.#ring = BACK + fold.lanes
    this.#stride = this.#ring + BUCKETS * fold.lanes
    this.#answer = new Float64Array(fold.lanes)
  }

  watch(device: number): void {
    if (this.#slots.of(device) >= 0) return
    const slot = this.#slots.take(device)
    if (slot >> PAGE_BITS >= this.#pages.length) this.#pages.push(new Float64Array(PAGE_RECORDS * this.#stride))
    this.#seek(slot)
    this.#reset(0)
  }

  forget(device: number): void {
    this.#slots.free(device)
  }

  isWatched(device: number): boolean {
    return this.#slots.of(device) >= 0
  }

  /** Asks for the memory that `add` and `lanes` will read, so that the waits for several windows overlap. */
  fetch(device: number): number {
    const slot = this.#slots.of(device)
    if (slot < 0) return 0
    const page = this.#pages[slot >> PAGE_BITS] as Float64Array
    const at = (slot & (PAGE_RECORDS - 1)) * this.#stride
    return (page[at] as number) + (page[at + this.#ring + this.#clock.slot * this.#fold.lanes] as number)
  }

  /** Takes a reading at the moment of the clock, which is `micros`. */
  add(device: number, value: number, micros: number): void {
    if (!this.#open(device)) return
    const page = this.#page
    const at = this.#at
    const { slot } = this.#clock
    this.#fold.add(page, at + BACK, value, micros)
    this.#fold.add(page, at + this.#ring + slot * this.#fold.lanes, value, micros)
    const half = at + FILLED + (slot < HALF ? 0 : 1)
    page[half] = (page[half] as number) | (1 << (slot % HALF))
  }

  /** The fold of the whole window at the moment of the clock; valid until the next call. */
  lanes(device: number): Float64Array {
    const answer = this.#answer
    if (!this.#open(device)) {
      this.#fold.clear(answer, 0)
      return answer
    }
    const { lanes } = this.#fold
    const page = this.#page
    const at = this.#at
    const oldest = this.#clock.bucket - (BUCKETS - 1)
    if ((page[at + FLIP] as number) > oldest) {
      const next = this.#clock.slot === BUCKETS - 1 ? 0 : this.#clock.slot + 1
      const from = at + this.#ring + next * lanes
      for (let i = 0; i < lanes; i++) answer[i] = page[from + i] as number
      this.#fold.merge(answer, 0, page, at + BACK)
    } else for (let i = 0; i < lanes; i++) answer[i] = page[at + BACK + i] as number
    return answer
  }

  /** The first time, not before `from`, at which a reading leaves the window; infinite when none is to leave. */
  nextLeave(device: number, from: number): number {
    const slot = this.#slots.of(device)
    if (slot < 0) return Number.POSITIVE_INFINITY
    this.#seek(slot)
    const newest = this.#page[this.#at + NEWEST] as number
    const first = newest - (BUCKETS - 1)
    const place = first - BUCKETS * Math.floor(first / BUCKETS)
    for (let i = 0; i < BUCKETS; i++) {
      if (!this.#isFilled((place + i) % BUCKETS)) continue
      const leaves = this.#clock.leaves(first + i)
      if (leaves >= from) return leaves
    }
    return Number.POSITIVE_INFINITY
  }

  /** A copy of a device's record. */
  save(device: number): Float64Array {
    this.#seek(this.#slots.of(device))
    return this.#page.subarray(this.#at, this.#at + this.#stride)
  }

  /** Takes a record over; false when it is none of this fold. */
  load(device: number, record: Float64Array): boolean {
    if (record.length !== this.#stride || this.#slots.of(device) < 0) return false
    this.#seek(this.#slots.of(device))
    this.#page.set(record, this.#at)
    return true
  }

  get bytes(): number {
    return this.#pages.length * PAGE_RECORDS * this.#stride * 8 + this.#slots.bytes
  }

  #isFilled(slot: number): boolean {
    const bits = this.#page[this.#at + FILLED + (slot < HALF ? 0 : 1)] as number
    return (bits & (1 << (slot % HALF))) !== 0
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

  /** Empties the record: its front is 59 empty buckets. */
  #reset(bucket: number): void {
    const page = this.#page
    const at = this.#at
    page[at + NEWEST] = bucket
    page[at + FLIP] = bucket
    page[at + FILLED] = 0
    page[at + FILLED + 1] = 0
    const { lanes } = this.#fold
    for (let cell = at + BACK; cell < at + this.#stride; cell += lanes) this.#fold.clear(page, cell)
  }

  /** Lets `bucket` in at the cell of the bucket that leaves. */
  #step(bucket: number): void {
    const page = this.#page
    const at = this.#at
    const slot = (this.#clock.slot - (this.#clock.bucket - bucket) + BUCKETS) % BUCKETS
    if (bucket - BUCKETS >= (page[at + FLIP] as number)) this.#flip(bucket, slot)
    this.#fold.clear(page, at + this.#ring + slot * this.#fold.lanes)
    const half = at + FILLED + (slot < HALF ? 0 : 1)
    page[half] = (page[half] as number) & ~(1 << (slot % HALF))
    page[at + NEWEST] = bucket
  }

  /** Makes all buckets before `bucket` the front. */
  #flip(bucket: number, slot: number): void {
    const page = this.#page
    const at = this.#at
    const { lanes } = this.#fold
    const ring = at + this.#ring
    let newer = slot === 0 ? BUCKETS - 1 : slot - 1
    for (let count = 2; count < BUCKETS; count++) {
      const older = newer === 0 ? BUCKETS - 1 : newer - 1
      this.#fold.merge(page, ring + older * lanes, page, ring + newer * lanes)
      newer = older
    }
    this.#fold.clear(page, at + BACK)
    page[at + FLIP] = bucket
  }
}
