/** The event counters of a shard. Most fleets have no events, and counters take megabytes: they are made with the first one. */

import type { CountersAnswer } from '@fleetloom/shared/events/counters/answer'
import { EventCounters } from '@fleetloom/shared/events/counters/counters'
import { readEventRows } from '@fleetloom/shared/events/read-rows'
import { shardOf } from '@fleetloom/shared/pipeline/shard'

export type EventsMessage = { readonly body: Uint8Array; readonly storedMs: number }

export class Counting {
  readonly #fleet: string
  readonly #isOurs: (device: string) => boolean
  #counters: EventCounters | undefined

  constructor({ fleet, shard, shards }: { readonly fleet: string; readonly shard: number; readonly shards: number }) {
    this.#fleet = fleet
    this.#isOurs = (device) => shardOf(device, shards) === shard
  }

  /** Counts the events of the shard's devices among those of a message. */
  take({ body, storedMs }: EventsMessage): void {
    readEventRows(body, (row) => {
      if (row.fleet !== this.#fleet || !this.#isOurs(row.device)) return
      this.#counters ??= new EventCounters()
      this.#counters.add(row, storedMs * 1000)
    })
  }

  /** A progress mark: windows move on although nothing happens. */
  advance(markMs: number): void {
    this.#counters?.advance(markMs * 1000)
  }

  answer(): CountersAnswer {
    return (this.#counters ?? new EventCounters()).answer()
  }

  /** Empty while nothing was counted. */
  encode(): Uint8Array {
    return this.#counters?.encode() ?? new Uint8Array()
  }

  /** @throws RangeError for bytes of another format. */
  decode(bytes: Uint8Array): void {
    this.#counters = bytes.length === 0 ? undefined : EventCounters.decode(bytes)
  }
}
