import { BATCH_LIMITS, batchHeaders } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { MsgHdrs } from '@nats-io/nats-core'
import type { Ticket } from '../mqtt/ack-window.ts'

const MAX_LINKS = 16

/** Rows of one fleet and shard that wait to be published together. */
export class Batch {
  readonly shard: number
  readonly bytes: Buffer
  readonly ticket: Ticket = { done: false }
  readonly links: string[] = []
  length = 0
  rows = 0
  #first = Number.MAX_SAFE_INTEGER
  #last = 0

  constructor(shard: number, bytes: Buffer) {
    this.shard = shard
    this.bytes = bytes
  }

  hasRoom(bytes: number): boolean {
    return this.length + bytes <= this.bytes.length && this.rows < BATCH_LIMITS.rows
  }

  /** Counts the row that has just been written behind `length`. */
  add(end: number, micros: number): void {
    this.length = end
    this.rows++
    if (micros < this.#first) this.#first = micros
    if (micros > this.#last) this.#last = micros
  }

  link(traceparent: string): void {
    if (this.links.length < MAX_LINKS) this.links.push(traceparent)
  }

  body(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  /** `session` is told when the fleet has several: the mark is only of what came through this one. */
  headers({ uid, generation }: FleetDocument, progressMs: number | undefined, session: number | undefined): MsgHdrs {
    return batchHeaders({
      rows: this.rows,
      firstMicros: this.rows === 0 ? 0 : this.#first,
      lastMicros: this.#last,
      uid,
      generation,
      ...(progressMs !== undefined && { progressMs }),
      ...(session !== undefined && { session }),
      traceLinks: this.links,
    })
  }
}
