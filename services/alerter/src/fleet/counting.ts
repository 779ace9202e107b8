/**
 * The event counters of a shard. Most fleets have no events, and counters take megabytes: they are made with the first one. Until then
 * only the last progress mark is kept, up to which nothing happened.
 */
import type { CountersAnswer } from '@fleetloom/shared/events/counters/answer'
import { ByteReader, ByteWriter } from '@fleetloom/shared/events/counters/bytes'
import { EventCounters } from '@fleetloom/shared/events/counters/counters'
import { readEventRows } from '@fleetloom/shared/events/read-rows'
import { shardOf } from '@fleetloom/shared/pipeline/shard'

const MARK_BYTES = Float64Array.BYTES_PER_ELEMENT

export type EventsMessage = { readonly body: Uint8Array; readonly storedMs: number }

export class Counting {
  readonly #fleet: string
  readonly #isOurs: (device: string) => boolean
  #counters: EventCounters | undefined
  #markMs = 0

  constructor({ fleet, shard, shards }: { readonly fleet: string; readonly shard: number; readonly shards: number }) {
    this.#fleet = fleet
    this.#isOurs = (device) => shardOf(device, shards) === shard
  }

  /** Counts the events of the shard's devices among those of a message. */
  take({ body, storedMs }: EventsMessage): void {
    readEventRows(body, (row) => {
      if (row.fleet !== this.#fleet || !this.#isOurs(row.device)) return
      this.#counters ??= this.#begin()
      this.#counters.add(row, storedMs * 1000)
    })
  }

  /** A progress mark: windows move on although nothing happens. */
  advance(markMs: number): void {
    this.#markMs = Math.max(this.#markMs, markMs)
    this.#counters?.advance(markMs * 1000)
  }

  answer(): CountersAnswer {
    return (this.#counters ?? this.#begin()).answer()
  }

  /** While nothing was counted, only the last mark. */
  encode(): Uint8Array {
    if (this.#counters) return this.#counters.encode()
    const out = new ByteWriter()
    out.f64(this.#markMs)
    return out.done()
  }

  /** @throws RangeError for bytes of another format. */
  decode(bytes: Uint8Array): void {
    const isMark = bytes.length <= MARK_BYTES
    this.#counters = isMark ? undefined : EventCounters.decode(bytes)
    this.#markMs = bytes.length === MARK_BYTES ? new ByteReader(bytes).f64() : 0
  }

  #begin(): EventCounters {
    const counters = new EventCounters()
    counters.advance(this.#markMs * 1000)
    return counters
  }
}
