/**
 * Collects what is to be written in one go, within the memory that all fleets share:
 *
 * 1. Wait for a first message with a pull so small that any number of waiting fleets is affordable. A message too large for
 *    it wakes us all the same, unread.
 * 2. Take room from the shared bound: twice what the last batch was, so that many slow fleets fit beside each other; four times as
 *    much as last time when that was not enough. Fleets queue up for room, so none starves.
 * 3. Pull until the room is full or `flushIntervalMs` is over. A batch that is full was cut from a backlog, so the next one
 *    begins with step 2.
 *
 * Rows are bounded through their bytes, by the size that this fleet's rows had lately; the last cut is made on the spot.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bounded, Lease } from '@fleetloom/shared/bounded'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Delivered, WORKING_MS } from './delivered.ts'
import type { PullEnd, Pulled, Puller } from './puller.ts'

export type Collected = {
  readonly messages: readonly Delivered[]
  /** How the last pull ended; with no messages, why there are none. */
  readonly end: PullEnd
  /** Memory taken for the messages. */
  readonly lease?: Lease
}

/** Largest request to the database, and what a waiting fleet may be sent unasked. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024
const WAKE_BYTES = 16 * 1024
const MIN_ROOM = 32 * 1024
const MAX_MESSAGES = 2_000
const IDLE_MS = 10_000
/** A batch is at most this part of the stream, so that what is in hand never fills it. */
const STREAM_PART = 8

export class Collector {
  readonly #puller: Puller
  readonly #memory: Bounded
  #backlog = false
  #bytesPerRow = 100
  #room = MIN_ROOM * 4
  #mostNeeded = 0

  constructor(puller: Puller, memory: Bounded) {
    this.#puller = puller
    this.#memory = memory
  }

  /** `small`: no more than a first message or so, to try whether the database is back. */
  async collect(document: FleetDocument, small: boolean): Promise<Collected> {
    const first = await this.#first(small)
    if (first.end !== 'filled' && first.end !== 'oversized') return first
    if (small && first.messages.length > 0) return first
    const bytes = Math.min(this.#room, this.#mostBytes(document))
    const lease = await this.#memory.take(bytes)
    const rest = await this.#fill(first.messages, { bytes, forMs: small ? 100 : document.writer.flushIntervalMs })
    this.#note(rest, bytes)
    lease.shrink(sizeOf(rest.messages))
    return { ...rest, lease }
  }

  /** Told of each batch, so that the next one has about the rows wanted. */
  learn(rows: number, bytes: number): void {
    if (rows > 0) this.#bytesPerRow += (bytes / rows - this.#bytesPerRow) / 4
  }

  async #first(small: boolean): Promise<Pulled> {
    if (this.#backlog && !small) return { messages: [], end: 'filled' }
    return this.#puller.pull({ messages: 1, bytes: WAKE_BYTES, expiresMs: IDLE_MS })
  }

  async #fill(first: readonly Delivered[], { bytes, forMs }: { bytes: number; forMs: number }): Promise<Pulled> {
    const deadlineMs = performance.now() + forMs
    const messages = [...first]
    for (;;) {
      const expiresMs = Math.ceil(Math.max(1, Math.min(deadlineMs - performance.now(), WORKING_MS)))
      const pulled = await this.#puller.pull({
        messages: MAX_MESSAGES - messages.length,
        bytes: Math.max(1, bytes - sizeOf(messages)),
        expiresMs,
      })
      messages.push(...pulled.messages)
      if (pulled.end !== 'expired' || performance.now() >= deadlineMs) return { messages, end: pulled.end }
      for (const message of messages) message.working()
      await sleep(0)
    }
  }

  #note({ messages, end }: Pulled, bytes: number): void {
    this.#backlog = end === 'filled' || (end === 'oversized' && messages.length > 0)
    if (end === 'filled' || end === 'oversized') this.#room = bytes * 4
    else this.#room = Math.max(MIN_ROOM, sizeOf(messages) * 2)
    if (end === 'oversized' && messages.length === 0) this.#mostNeeded = this.#room
  }

  /** One message may be larger than what a batch should be. */
  #mostBytes({ stream, writer }: FleetDocument): number {
    const byRows = writer.batchRows * this.#bytesPerRow
    const most = Math.min(MAX_BATCH_BYTES, stream.maxBytes / STREAM_PART, byRows)
    return Math.ceil(Math.max(MIN_ROOM, this.#mostNeeded, most))
  }
}

export const sizeOf = (messages: readonly Delivered[]): number => messages.reduce((sum, { size }) => sum + size, 0)
