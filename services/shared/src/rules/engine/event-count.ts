/**
 * How many events of one type lie in a window of a device, each in the bucket of its own time, in whatever order they come.
 *
 * The window ends at the device's time or at its newest event, whichever is later: events may reach the stream before the readings of their
 * time. Counts are whole numbers, so what leaves is subtracted without a trace. A record is
 *
 *     newest bucket · events in all · ring (60)
 */
import { BUCKETS, type WindowClock } from './moment.ts'
import type { EventPiece } from './pieces.ts'

const NEWEST = 0
const TOTAL = 1
const RING = 2

const cellOf = (bucket: number): number => RING + bucket - BUCKETS * Math.floor(bucket / BUCKETS)

const cell = (record: Float64Array, at: number): number => record[at] as number

const empty = (): Float64Array => {
  const record = new Float64Array(RING + BUCKETS)
  record[NEWEST] = Number.NEGATIVE_INFINITY
  return record
}

/** Moves a window on to end in `bucket`; it never goes back. */
const open = (record: Float64Array, bucket: number): void => {
  const newest = cell(record, NEWEST)
  if (bucket <= newest) return
  if (bucket - newest >= BUCKETS) record.fill(0)
  else
    for (let next = newest + 1; next <= bucket; next++) {
      record[TOTAL] = cell(record, TOTAL) - cell(record, cellOf(next))
      record[cellOf(next)] = 0
    }
  record[NEWEST] = bucket
}

export class EventCounts implements EventPiece {
  readonly #clock: WindowClock
  readonly #records = new Map<number, Float64Array>()

  constructor(clock: WindowClock) {
    this.#clock = clock
  }

  watch(device: number): void {
    if (!this.#records.has(device)) this.#records.set(device, empty())
  }

  forget(device: number): void {
    this.#records.delete(device)
  }

  isWatched(device: number): boolean {
    return this.#records.has(device)
  }

  add(device: number, own: number): boolean {
    const record = this.#records.get(device)
    if (!record) return false
    const bucket = this.#clock.bucketOf(own)
    open(record, Math.max(bucket, this.#clock.bucket))
    if (cell(record, NEWEST) - bucket >= BUCKETS) return false
    record[cellOf(bucket)] = cell(record, cellOf(bucket)) + 1
    record[TOTAL] = cell(record, TOTAL) + 1
    return true
  }

  /** Events in the window at the moment of the clock. */
  count(device: number): number {
    const record = this.#records.get(device)
    if (!record) return 0
    open(record, this.#clock.bucket)
    return cell(record, TOTAL)
  }

  nextLeave(device: number, from: number): number {
    const record = this.#records.get(device)
    if (!record || cell(record, TOTAL) === 0) return Number.POSITIVE_INFINITY
    const newest = cell(record, NEWEST)
    for (let bucket = newest - BUCKETS + 1; bucket <= newest; bucket++) {
      if (cell(record, cellOf(bucket)) === 0) continue
      const leaves = this.#clock.leaves(bucket)
      if (leaves >= from) return leaves
    }
    return Number.POSITIVE_INFINITY
  }

  save(device: number): Float64Array {
    return this.#records.get(device) ?? empty()
  }

  load(device: number, record: Float64Array): void {
    if (record.length === RING + BUCKETS) this.#records.set(device, record.slice())
  }

  get bytes(): number {
    return this.#records.size * ((RING + BUCKETS) * 8 + 96)
  }
}
