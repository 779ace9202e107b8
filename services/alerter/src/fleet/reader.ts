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
  readonly take: (message: JsMsg) => Promise<void> | void
}

const RETRY = { firstMs: 200, maxMs: 5_000 } as const
/** What a pull asks for at most. A batch has at most 512 KiB. */
const PULL = { max_messages: 64, expires: 30_000, idle_heartbeat: 5_000 } as const
/** What the consumer says when the server or the stream was away: the stream may be another one now. */
const TROUBLE = new Set(['heartbeats_missed', 'consumer_not_found', 'stream_not_found', 'ordered_consumer_recreated'])

export class StreamReader implements AsyncDisposable {
  readonly #options: ReaderOptions
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #messages: ConsumerMessages | undefined
  #created = ''

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
    const { nats, stream, open, take } = this.#options
    const { created, state } = await nats.jsm.streams.info(stream)
    this.#created = created
    const { subjects, from } = open({ created, first: state.first_seq, last: state.last_seq })
    const consumer = await nats.js.consumers.get(stream, {
      filter_subjects: [...subjects],
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(from, 1),
    })
    const messages = await consumer.consume(PULL)
    this.#messages = messages
    if (this.#stop.signal.aborted) messages.stop()
    void this.#watch(messages)
    for await (const message of messages) {
      await take(message)
      if (this.#stop.signal.aborted) return
    }
  }

  async #watch(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) if (TROUBLE.has(type)) await this.#look()
  }

  /** A stream that is another one than it was is read anew from its beginning. */
  async #look(): Promise<void> {
    const { nats, stream, log } = this.#options
    try {
      const { created } = await nats.jsm.streams.info(stream)
      if (created !== this.#created) this.#messages?.stop()
    } catch (error) {
      log.debug({ stream }, `stream not reachable: ${messageOf(error)}`)
    }
  }
}
