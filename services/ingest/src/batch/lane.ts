/**
 * What goes to one stream in order: several messages in flight while all is well. When one fails, no more are sent until
 * those in flight are settled; then, after a pause that doubles, the failed ones go first, at the start a single one to see
 * whether the stream takes it. So order is kept as far as a stream that refuses one message and takes the next allows, and
 * nothing is ever dropped: only `close` ends it.
 */
import type { MsgHdrs } from '@nats-io/nats-core'
import type { Publisher, PublishFault } from './publisher.ts'

export type Publication = {
  readonly subject: string
  readonly body: Uint8Array
  readonly headers: MsgHdrs
  /** Called once, when the stream has it. */
  readonly onStored: () => void
}

export type LaneOptions = {
  readonly publisher: Publisher
  /** Told of each refusal, and with undefined when it is over. */
  readonly onFault: (fault: PublishFault | undefined) => void
}

const MAX_IN_FLIGHT = 32
/** The client holds a copy of what is in flight. */
const MAX_IN_FLIGHT_BYTES = 4 * 1024 * 1024
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

type Entry = Publication & { readonly order: number }

export class Lane {
  readonly #options: LaneOptions
  readonly #stopListening: () => void
  #waiting: Entry[] = []
  #failed: Entry[] = []
  #barriers: { readonly order: number; readonly reached: () => void }[] = []
  #inFlight = new Set<number>()
  #inFlightBytes = 0
  #order = 0
  #pauseMs = 0
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: LaneOptions) {
    this.#options = options
    this.#stopListening = options.publisher.onReconnect(() => this.#retryNow())
  }

  /** Whether more should be gathered before the next message, as many are in flight or the stream refuses. */
  get isBusy(): boolean {
    return this.#pauseMs > 0 || this.#isFull(MAX_IN_FLIGHT)
  }

  /** Whether the stream has refused and not yet taken a message since. */
  get isStalled(): boolean {
    return this.#pauseMs > 0
  }

  push(publication: Publication): void {
    if (this.#closed) return
    this.#waiting.push({ ...publication, order: this.#order++ })
    this.#pump()
  }

  /** Resolves when the stream has everything that was pushed before. Never, once the lane is closed with something left. */
  barrier(): Promise<void> {
    return new Promise((reached) => {
      this.#barriers.push({ order: this.#order, reached })
      this.#passBarriers()
    })
  }

  close(): void {
    this.#closed = true
    this.#waiting = []
    this.#failed = []
    clearTimeout(this.#timer)
    this.#stopListening()
  }

  #pump(): void {
    const limit = this.#pauseMs > 0 ? 1 : MAX_IN_FLIGHT
    while (this.#timer === undefined && this.#failed.length === 0 && !this.#isFull(limit)) {
      const entry = this.#waiting.shift()
      if (entry === undefined) return
      this.#send(entry)
    }
  }

  #isFull(limit: number): boolean {
    return this.#inFlight.size >= limit || this.#inFlightBytes >= MAX_IN_FLIGHT_BYTES
  }

  #send(entry: Entry): void {
    this.#inFlight.add(entry.order)
    this.#inFlightBytes += entry.body.length
    this.#options.publisher.send(entry, (fault) => this.#settled(entry, fault))
  }

  #settled(entry: Entry, fault: PublishFault | undefined): void {
    this.#inFlight.delete(entry.order)
    this.#inFlightBytes -= entry.body.length
    if (this.#closed) return
    if (fault) this.#refused(entry, fault)
    else this.#stored(entry)
  }

  #stored(entry: Entry): void {
    entry.onStored()
    if (this.#pauseMs > 0 && this.#failed.length === 0) {
      this.#pauseMs = 0
      this.#options.onFault(undefined)
    }
    this.#passBarriers()
    this.#recover()
    this.#pump()
  }

  #refused(entry: Entry, fault: PublishFault): void {
    this.#failed.push(entry)
    this.#options.onFault(fault)
    this.#recover()
  }

  /** Once nothing is in flight, puts the failed ones back in front and waits. */
  #recover(): void {
    if (this.#failed.length === 0 || this.#inFlight.size > 0) return
    this.#waiting = [...this.#failed.sort((a, b) => a.order - b.order), ...this.#waiting]
    this.#failed = []
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2))
    this.#timer = setTimeout(() => this.#retry(), this.#pauseMs * (0.75 + Math.random() / 2))
  }

  #retry(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#pump()
  }

  #retryNow(): void {
    if (this.#timer !== undefined) this.#retry()
  }

  #passBarriers(): void {
    if (this.#barriers.length === 0) return
    const open = [...this.#inFlight, ...this.#failed.map(({ order }) => order), this.#waiting[0]?.order ?? this.#order]
    const oldest = Math.min(...open)
    const passed = this.#barriers.filter(({ order }) => order <= oldest)
    this.#barriers = this.#barriers.filter(({ order }) => order > oldest)
    for (const { reached } of passed) reached()
  }
}
