/**
 * The session's connection to the broker, for as long as it is wanted: connect, subscribe, take messages, and again after a
 * pause that grows when it is lost. When the broker says that the session was taken over, another replica owns it: the
 * link stays away for a while and comes back only if it is still wanted.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { probeTopic } from '@fleetloom/shared/broker/acl'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { AckWindow, type Ticket } from '../mqtt/ack-window.ts'
import { Connection, type ConnectionOptions } from '../mqtt/connection.ts'
import type { Frame } from '../mqtt/frame.ts'
import { reasonText } from '../mqtt/protocol.ts'

export type LinkOptions = Omit<ConnectionOptions, 'onPublish'> & {
  readonly takeoverPauseMs: number
  readonly log: Logger
  readonly filters: () => Filters
  readonly onFrame: (frame: Frame) => Ticket
  /** Told the payload of each probe that came back. */
  readonly onProbe: (payload: string) => void
  /** Told whenever the broker holds exactly the subscriptions that are wanted. */
  readonly onSubscribed: () => void
  readonly onLost: () => void
}

/** `unwanted` are unsubscribed also where an earlier connection of the session had subscribed them. */
export type Filters = { readonly wanted: readonly string[]; readonly unwanted: readonly string[] }

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 10_000
const SUBSCRIBE_AGAIN_MS = 1_000
const FAILURE = 0x80

export class Link {
  readonly #options: LinkOptions
  readonly #probeTopic: Buffer
  readonly #stopped = new AbortController()
  readonly #done: Promise<void>
  #connection: Connection | undefined
  #window: AckWindow
  #subscribed: readonly string[] = []
  #isSubscribing = false
  #epoch = 0
  #releasing = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.#probeTopic = Buffer.from(probeTopic(options.user))
    this.#window = new AckWindow(options.receiveMaximum)
    this.#done = this.#run()
  }

  get isConnected(): boolean {
    return this.#connection !== undefined
  }

  /** Counts connections, so that one can tell whether it is still the same. */
  get epoch(): number {
    return this.#epoch
  }

  /** Whether the broker holds exactly the subscriptions that are wanted now. */
  get isSettled(): boolean {
    return sameAs(this.#subscribed, this.#wanted())
  }

  /** Brings the subscriptions to what `filters` says now. */
  refresh(): void {
    void this.#subscribe()
  }

  /** Sends a probe; it may not arrive. */
  probe(payload: string): void {
    const { log } = this.#options
    this.#connection
      ?.publish(probeTopic(this.#options.user), payload)
      .then((code) => code >= FAILURE && log.warn(`the broker refused a probe: ${reasonText(code)}`))
      .catch((error) => log.debug(`probe not sent: ${messageOf(error)}`))
  }

  tell(topic: string, payload: string): void {
    this.#connection?.tell(topic, payload)
  }

  /** Some tickets are done: writes the PUBACKs that this frees, at the end of this turn. */
  release(): void {
    if (this.#releasing) return
    this.#releasing = true
    setImmediate(() => this.#release())
  }

  /** Takes no more messages; those taken can still be acknowledged. */
  stopReading(): void {
    this.#stopped.abort()
    this.#connection?.stopReading()
  }

  /** Ends the connection. With `forget` the broker drops the session too; true when it could be told so. */
  async close(options: { readonly forget: boolean }): Promise<boolean> {
    this.#stopped.abort()
    const connection = this.#connection
    this.#release()
    await connection?.end(options.forget ? 0 : undefined)
    await this.#done
    return connection !== undefined
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#isStopped) {
      const startedMs = performance.now()
      const leastPauseMs = await this.#once()
      const wasLong = performance.now() - startedMs > LONGEST_PAUSE_MS
      pauseMs = Math.max(leastPauseMs, wasLong ? FIRST_PAUSE_MS : pauseMs)
      await this.#pause(pauseMs * (0.75 + Math.random() / 2))
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
    }
  }

  /** One connection from beginning to end; the least pause before the next. */
  async #once(): Promise<number> {
    const { log, onLost, takeoverPauseMs, user } = this.#options
    try {
      this.#window = new AckWindow(this.#options.receiveMaximum)
      const connection = await Connection.open({
        ...this.#options,
        onPublish: (frame) => this.#onPublish(frame),
        mayRead: () => this.#mayRead(),
      })
      if (this.#isStopped) connection.destroy('no longer wanted')
      this.#connection = connection
      this.#epoch++
      log.info({ user, sessionPresent: connection.sessionPresent }, 'connected to the broker')
      void this.#subscribe()
      const { takenOver, text } = await connection.closed
      log[this.#isStopped ? 'debug' : 'warn']({ user }, `connection to the broker ended: ${text}`)
      return takenOver ? takeoverPauseMs : 0
    } catch (error) {
      log.warn({ user }, `no connection to the broker: ${messageOf(error)}`)
      return 0
    } finally {
      this.#connection = undefined
      this.#subscribed = []
      onLost()
    }
  }

  #onPublish(frame: Frame): void {
    const isProbe = this.#isProbe(frame)
    const ticket = isProbe ? { done: true } : this.#options.onFrame(frame)
    if (frame.packetId > 0) this.#window.add(frame.packetId, ticket)
    if (!isProbe) return
    this.#options.onProbe(frame.bytes.toString('latin1', frame.payloadStart, frame.payloadEnd))
    this.release()
  }

  /**
   * Mosquitto keeps to the Receive Maximum only while it has no backlog, so the bound on what is in flight here, and on what a
   * crash can make happen twice, is kept by not reading on.
   */
  #mayRead(): boolean {
    return this.#window.size < this.#options.receiveMaximum && this.#options.mayRead()
  }

  #isProbe({ bytes, topicStart, topicEnd }: Frame): boolean {
    const topic = this.#probeTopic
    if (topicEnd - topicStart !== topic.length) return false
    return topic.compare(bytes, topicStart, topicEnd) === 0
  }

  #release(): void {
    this.#releasing = false
    this.#connection?.acknowledge(this.#window.release())
  }

  /** Subscribes and unsubscribes until the broker has what is wanted, or the connection is over. */
  async #subscribe(): Promise<void> {
    if (this.#isSubscribing) return
    this.#isSubscribing = true
    try {
      while (this.#connection && !this.#isStopped && !(await this.#trySubscribe(this.#connection)))
        await this.#pause(SUBSCRIBE_AGAIN_MS)
    } finally {
      this.#isSubscribing = false
    }
  }

  #wanted(): readonly string[] {
    return [probeTopic(this.#options.user), ...this.#options.filters().wanted]
  }

  /** True when nothing is left to do. */
  async #trySubscribe(connection: Connection): Promise<boolean> {
    const { log, filters, onSubscribed, user } = this.#options
    const wanted = this.#wanted()
    const missing = wanted.filter((filter) => !this.#subscribed.includes(filter))
    const held = new Set([...this.#subscribed, ...filters().unwanted])
    const surplus = [...held].filter((filter) => !wanted.includes(filter))
    try {
      const codes = missing.length > 0 ? await connection.subscribe(missing) : []
      const refused = missing.filter((_, i) => (codes[i] ?? FAILURE) >= FAILURE)
      const left = surplus.length > 0 ? await connection.unsubscribe(surplus) : []
      if (connection !== this.#connection) return false
      const kept = surplus.filter((_, i) => (left[i] ?? FAILURE) >= FAILURE)
      if (kept.length > 0) throw new Error(`the broker refused to unsubscribe ${kept.join(', ')}; trying again`)
      this.#subscribed = wanted.filter((filter) => !refused.includes(filter))
      if (refused.length > 0) log.warn({ user, refused }, 'the broker refused to subscribe; trying again')
      else if (this.isSettled) onSubscribed()
      return this.isSettled
    } catch (error) {
      log.warn({ user }, `could not subscribe: ${messageOf(error)}`)
      return false
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopped.signal, ref: true }).catch(() => undefined)
  }
}

const sameAs = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((text, i) => text === other[i])
