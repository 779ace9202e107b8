/**
 * Reads the transitions of one lane of the alert stream and hands them to an outlet, in order:
 *
 * 1. Make the consumer anew from the first message that was not acknowledged.
 * 2. Hand over one message after the other. What the outlet refuses is tried again in its place, with backoff: nothing
 *    overtakes it. It is acknowledged when the outlet says that it is settled, which may be later and in another order.
 * 3. When the consumer or the stream is gone, or the connection was lost, go back to 1. What comes again is known by its
 *    sequence: settled messages are acknowledged once more, those under way go on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseTransition } from '@fleetloom/shared/alerts/records'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { backoffMs } from '@fleetloom/shared/backoff'
import type { Nats } from '@fleetloom/shared/nats'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { MOST_IN_HAND, openConsumer, type Position, writeCursor } from './consumer.ts'

/** A transition out of the stream; `done` is called once its fate can't be lost any more. */
export type Item = { readonly transition: Transition; readonly seq: number; readonly done: () => void }

/** What becomes of transitions. `take` is called in order, again for the same one when it rejects. */
export type Outlet = AsyncDisposable & { take(item: Item): Promise<void> }

export type WorkerOptions = {
  readonly nats: Nats
  readonly kv: KV
  readonly log: Logger
  readonly position: Position
  /** Makes the outlet, with what an earlier owner left to it. */
  readonly openOutlet: () => Promise<Outlet>
  /** Told why transitions wait, at the first of several failures. */
  readonly onWaiting: (reason: string) => void
  /** Told of a message that is no transition. */
  readonly onUnreadable: () => void
}

const IDLE_MS = 10_000
const CURSOR_MS = 5_000
const READ_AHEAD = 64
const SETTLED_KEPT = 4 * MOST_IN_HAND
const DISRUPTIONS = ['consumer_deleted', 'consumer_not_found', 'stream_not_found', 'heartbeats_missed']

export class Worker implements AsyncDisposable {
  readonly #options: WorkerOptions
  readonly #stop = new AbortController()
  readonly #open = new Set<number>()
  readonly #settled = new Set<number>()
  readonly #done: Promise<void>
  #messages: ConsumerMessages | undefined
  #outlet: Outlet | undefined
  #created = ''
  /** Counts beginnings: what was under way before one counts for nothing after it. */
  #era = 0
  #taken = 0
  #cursor = { seq: 0, revision: 0 }

  constructor(options: WorkerOptions) {
    this.#options = { ...options, log: options.log.child({ outbox: options.position.durable }) }
    this.#done = this.#run()
  }

  /** Begins again at the first message that was not acknowledged: the connection was lost. */
  reopen(): void {
    this.#messages?.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.reopen()
    await this.#done
    await this.#outlet?.[Symbol.asyncDispose]()
    await this.#saveCursor()
  }

  async #run(): Promise<void> {
    const cursor = setInterval(() => void this.#saveCursor(), CURSOR_MS)
    for (let failures = 0; !this.#stop.signal.aborted; ) {
      try {
        await this.#read()
        failures = 0
      } catch (error) {
        if (++failures === 1) this.#options.onWaiting(messageOf(error))
        else this.#options.log.debug(`transitions wait: ${messageOf(error)}`)
      }
      await this.#pause(backoffMs(Math.max(failures, 1)))
    }
    clearInterval(cursor)
  }

  async #read(): Promise<void> {
    const { nats, kv, position, openOutlet } = this.#options
    const { created, seq, revision, isReset } = await openConsumer(nats, kv, position)
    if (isReset || created !== this.#created) await this.#startOver(created)
    this.#cursor = { seq: this.#cursor.seq, revision }
    this.#outlet ??= await openOutlet()
    this.#taken = Math.max(this.#taken, seq)
    const consumer = await nats.js.consumers.get(position.stream, position.durable)
    this.#messages = await consumer.consume({ max_messages: READ_AHEAD, expires: IDLE_MS })
    void this.#watch(this.#messages)
    if (this.#stop.signal.aborted) this.#messages.stop()
    for await (const message of this.#messages) await this.#take(message)
  }

  /** What was settled is not: sequences of another stream mean nothing in this one, or all of it is wanted again. */
  async #startOver(created: string): Promise<void> {
    await this.#outlet?.[Symbol.asyncDispose]()
    this.#outlet = undefined
    this.#created = created
    this.#era++
    this.#settled.clear()
    this.#open.clear()
    this.#taken = 0
    this.#cursor = { seq: 0, revision: 0 }
  }

  async #watch(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) if (DISRUPTIONS.includes(type)) messages.stop()
  }

  async #take(message: JsMsg): Promise<void> {
    const { seq } = message
    if (this.#stop.signal.aborted || this.#open.has(seq)) return
    if (this.#settled.has(seq)) return message.ack()
    this.#taken = Math.max(this.#taken, seq)
    const transition = parseTransition(message.data)
    if (transition === undefined) {
      this.#options.log.error({ subject: message.subject, seq }, 'not a transition: passed over')
      this.#options.onUnreadable()
      return message.ack()
    }
    this.#open.add(seq)
    const era = this.#era
    const done = () => era === this.#era && this.#settle(message)
    await this.#handOver(message, { transition, seq, done })
  }

  async #handOver(message: JsMsg, item: Item): Promise<void> {
    for (let failures = 1; !this.#stop.signal.aborted; failures++) {
      try {
        return await this.#outlet?.take(item)
      } catch (error) {
        const level = failures === 1 ? 'warn' : 'debug'
        this.#options.log[level]({ id: item.transition.id, failures }, `a transition waits: ${messageOf(error)}`)
        await this.#pause(backoffMs(failures))
        message.working()
      }
    }
  }

  #settle(message: JsMsg): void {
    this.#open.delete(message.seq)
    this.#settled.add(message.seq)
    if (this.#settled.size > SETTLED_KEPT) this.#settled.delete(this.#settled.values().next().value as number)
    message.ack()
  }

  /** Every message up to this one is settled. */
  #floor(): number {
    return this.#open.size === 0 ? this.#taken : Math.min(...this.#open) - 1
  }

  async #saveCursor(): Promise<void> {
    const seq = this.#floor()
    const { revision } = this.#cursor
    if (this.#created === '' || seq <= this.#cursor.seq) return
    try {
      const at = { created: this.#created, seq, revision }
      this.#cursor = { seq, revision: await writeCursor(this.#options.kv, this.#options.position.durable, at) }
    } catch (error) {
      this.reopen()
      this.#options.log.debug(`cursor not written: ${messageOf(error)}`)
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }
}
