/**
 * Reads a fleet's stream in order, from a sequence on, and never stops: over restarts of the server, a stream deleted and made
 * again, a consumer that the server forgot.
 *
 * One ordered consumer brings the subjects of all shards that are held here. Each message is handed over, and the next one only
 * when that was taken, so a slow taker holds the stream back and not the memory.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Nats } from '@fleetloom/shared/nats'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { type ConsumerMessages, DeliverPolicy, type JsMsg } from '@nats-io/jetstream'

export type ReaderOptions = {
  readonly nats: Pick<Nats, 'js' | 'jsm'>
  readonly stream: string
  readonly log: Logger
  /**
   * Told what the stream is, before anything is read of it: when it was made, and the first sequence that it still holds.
   * Returns the subjects to read and the first sequence that is wanted.
   */
  readonly open: (stream: { readonly created: string; readonly first: number; readonly last: number }) => {
    readonly subjects: readonly string[]
    readonly from: number
  }
  /** Nothing more is there at the moment. */
  readonly caughtUp: () => void
  /** `signal` is aborted when the reader is to stop. */
  readonly take: (message: JsMsg, signal: AbortSignal) => Promise<void> | void
}

const RETRY = { firstMs: 200, maxMs: 5_000 } as const
/** What a pull asks for at most. A batch has at most 512 KiB. */
const PULL = { max_messages: 64, expires: 30_000, idle_heartbeat: 5_000 } as const
/** What the consumer says when the server or the stream was away: the stream may be another one now, so it is opened anew. */
const TROUBLE = new Set([
  ...['heartbeats_missed', 'consumer_deleted', 'consumer_not_found', 'stream_not_found'],
  ...['reset', 'ordered_consumer_recreated'],
])

export class StreamReader implements AsyncDisposable {
  readonly #options: ReaderOptions
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #messages: ConsumerMessages | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  /** Stops after the message that is being taken. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#messages?.stop()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (let waitMs: number = RETRY.firstMs; !signal.aborted; waitMs = Math.min(waitMs * 2, RETRY.maxMs)) {
      const startedMs = performance.now()
      try {
        await this.#read()
      } catch (error) {
        const { log, stream } = this.#options
        if (!signal.aborted) log.warn({ stream }, `the stream can't be read, it is tried again: ${messageOf(error)}`)
      }
      if (performance.now() - startedMs > RETRY.maxMs) waitMs = RETRY.firstMs
      await sleep(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }

  async #read(): Promise<void> {
    const { nats, stream, open, caughtUp, take } = this.#options
    const { signal } = this.#stop
    const { created, state } = await nats.jsm.streams.info(stream)
    const { subjects, from } = open({ created, first: state.first_seq, last: state.last_seq })
    const consumer = await nats.js.consumers.get(stream, {
      filter_subjects: [...subjects],
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(from, 1),
    })
    if ((await consumer.info(true)).num_pending === 0) caughtUp()
    const messages = await consumer.consume(PULL)
    this.#messages = messages
    if (signal.aborted) messages.stop()
    void this.#watch(messages)
    try {
      for await (const message of messages) {
        if (signal.aborted) return
        await take(message, signal)
        if (message.info.pending === 0) caughtUp()
      }
    } finally {
      messages.stop()
      void consumer.delete().catch(() => false)
    }
  }

  async #watch(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) {
      if (!TROUBLE.has(type)) continue
      this.#options.log.debug({ stream: this.#options.stream }, `the stream is opened anew: ${type}`)
      messages.stop()
    }
  }
}
