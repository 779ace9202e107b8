/**
 * The quantiles of a window of one device: DDSketch (C. Masson, J. E. Rim, H. K. Lee, "DDSketch: A Fast and Fully-Mergeable Quantile
 * Sketch with Relative-Error Guarantees", VLDB 2019). A value falls into a bin whose ends differ by a factor of γ = 1.01 / 0.99, so the
 * middle of the bin is within 1 % of it. Counts are whole numbers: what leaves the window is subtracted without a trace.
 *
 * `totals` holds the count of each bin, sorted by bin, as one number `bin · 2³² + count`. `log` holds, oldest first, what each bucket of
 * the window put in, as `(bin · 64 + cell of the ring) · 2³² + count`. Both are bounded by the bins there are: 5,529 per bucket, and in
 * practice by the readings in the window.
 *
 * Values nearer to 0 than 10⁻⁹ count as 0, those beyond 10¹⁵ as 10¹⁵.
 */
import { BUCKETS, type WindowClock } from './moment.ts'

const LOG_GAMMA = Math.log(1.01 / 0.99)
const SMALLEST = 1e-9
const LARGEST = 1e15
const OFFSET = Math.ceil(-Math.log(SMALLEST) / LOG_GAMMA) + 1
/** Bin of 0; those of positive values are above, of negative values below. */
const ZERO = OFFSET + Math.ceil(Math.log(LARGEST) / LOG_GAMMA)
const COUNT = 2 ** 32
const CELLS = 64

/** The parts of an entry `high · 2³² + count`; `%` of doubles would be slow. */
const highOf = (entry: number): number => Math.floor(entry / COUNT)
const countOf = (entry: number): number => entry - highOf(entry) * COUNT
const cellOf = (entry: number): number => highOf(entry) & (CELLS - 1)

/** The largest relative error of a quantile. */
export const SKETCH_ERROR = 0.01

const binOf = (value: number): number => {
  const size = Math.abs(value)
  if (size < SMALLEST) return ZERO
  const bin = Math.ceil(Math.log(Math.min(size, LARGEST)) / LOG_GAMMA) + OFFSET
  return value > 0 ? ZERO + bin : ZERO - bin
}

const middleOf = (bin: number): number => {
  if (bin === ZERO) return 0
  const size = Math.exp((Math.abs(bin - ZERO) - OFFSET) * LOG_GAMMA) * 0.99
  return bin > ZERO ? size : -size
}

/** As `splice`, without garbage. */
const insert = (all: number[], place: number, entry: number): void => {
  all.push(entry)
  for (let i = all.length - 1; i > place; i--) all[i] = all[i - 1] as number
  all[place] = entry
}

const remove = (all: number[], place: number): void => {
  for (let i = place + 1; i < all.length; i++) all[i - 1] = all[i] as number
  all.pop()
}

export class Sketch {
  readonly #clock: WindowClock
  #newest = 0
  #count = 0
  #log: number[] = []
  #head = 0
  #totals: number[] = []

  constructor(clock: WindowClock) {
    this.#clock = clock
  }

  /** Takes a reading at the moment of the clock. */
  add(value: number): void {
    this.#open()
    const bin = binOf(value)
    this.#count++
    const place = this.#find(bin)
    if (this.#holds(place, bin)) this.#totals[place] = (this.#totals[place] as number) + 1
    else insert(this.#totals, place, bin * COUNT + 1)
    const entry = (bin * CELLS + this.#clock.slot) * COUNT
    for (let i = this.#log.length - 1; i >= this.#head && this.#cell(i) === this.#clock.slot; i--)
      if (highOf(this.#log[i] as number) === entry / COUNT) {
        this.#log[i] = (this.#log[i] as number) + 1
        return
      }
    this.#log.push(entry + 1)
  }

  /** The value below which the share `q` of the readings lie (the lower of two), within 1 %; undefined without readings. */
  quantile(q: number): number | undefined {
    this.#open()
    if (this.#count === 0) return undefined
    const rank = Math.floor(q * (this.#count - 1))
    return middleOf(highOf(rank * 2 < this.#count ? this.#fromLeast(rank) : this.#fromMost(this.#count - 1 - rank)))
  }

  nextLeave(from: number): number {
    const newestSlot = this.#newest - BUCKETS * Math.floor(this.#newest / BUCKETS)
    for (let i = this.#head; i < this.#log.length; i++) {
      const age = (newestSlot - this.#cell(i) + BUCKETS) % BUCKETS
      const leaves = this.#clock.leaves(this.#newest - age)
      if (leaves >= from) return leaves
    }
    return Number.POSITIVE_INFINITY
  }

  save(): Float64Array {
    const record = new Float64Array(1 + this.#log.length - this.#head)
    record[0] = this.#newest
    for (let i = this.#head; i < this.#log.length; i++) record[1 + i - this.#head] = this.#log[i] as number
    return record
  }

  load(record: Float64Array): void {
    this.#clear(record[0] ?? 0)
    this.#log = [...record.subarray(1)]
    for (const entry of this.#log) {
      const bin = Math.floor(highOf(entry) / CELLS)
      const place = this.#find(bin)
      if (!this.#holds(place, bin)) insert(this.#totals, place, bin * COUNT)
      this.#totals[place] = (this.#totals[place] as number) + countOf(entry)
      this.#count += countOf(entry)
    }
  }

  /** About what it takes: 8 bytes a number. */
  get bytes(): number {
    return 120 + (this.#log.length + this.#totals.length) * 8
  }

  #open(): void {
    const { bucket, slot } = this.#clock
    const steps = bucket - this.#newest
    if (steps >= BUCKETS || steps < 0) this.#clear(bucket)
    for (let back = steps - 1; back >= 0 && this.#newest !== bucket; back--)
      this.#drop((slot - back + BUCKETS) % BUCKETS)
    this.#newest = bucket
  }

  #clear(bucket: number): void {
    this.#newest = bucket
    this.#count = 0
    this.#log = []
    this.#head = 0
    this.#totals = []
  }

  /** Subtracts what the bucket that used this cell of the ring put in. */
  #drop(cell: number): void {
    while (this.#head < this.#log.length && this.#cell(this.#head) === cell) {
      const entry = this.#log[this.#head++] as number
      const place = this.#find(Math.floor(highOf(entry) / CELLS))
      const left = (this.#totals[place] as number) - countOf(entry)
      if (countOf(left) === 0) remove(this.#totals, place)
      else this.#totals[place] = left
      this.#count -= countOf(entry)
    }
    if (this.#head < 16 || this.#head * 2 < this.#log.length) return
    this.#log = this.#log.slice(this.#head)
    this.#head = 0
  }

  #cell(index: number): number {
    return cellOf(this.#log[index] as number)
  }

  /** The total in which the reading is that `rank` others are not above, or not below. */
  #fromLeast(rank: number): number {
    let place = 0
    for (let seen = countOf(this.#totals[0] as number); seen <= rank; seen += countOf(this.#totals[place] as number))
      place++
    return this.#totals[place] as number
  }

  #fromMost(rank: number): number {
    let place = this.#totals.length - 1
    for (
      let seen = countOf(this.#totals[place] as number);
      seen <= rank;
      seen += countOf(this.#totals[place] as number)
    )
      place--
    return this.#totals[place] as number
  }

  /** Where the bin is in `totals`, or would be. */
  #find(bin: number): number {
    let low = 0
    let high = this.#totals.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#totals[middle] as number) < bin * COUNT) low = middle + 1
      else high = middle
    }
    return low
  }

  #holds(place: number, bin: number): boolean {
    return place < this.#totals.length && highOf(this.#totals[place] as number) === bin
  }
}
