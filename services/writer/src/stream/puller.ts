/**
 * Pulls from a durable consumer, bounded by messages, bytes and time at once. The client library bounds a pull by messages or by
 * bytes and by no less than a second; the writer needs all three, so it speaks the pull protocol itself:
 *
 * 1. Publish `{batch, max_bytes, expires}` to `$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>` with an inbox of this pull's own.
 * 2. Messages arrive under their stream subject, a status under the inbox. A status ends the pull: 408 the time is over, 409 the next
 *    message would exceed the bytes (or the consumer was deleted), 503 nobody serves the consumer.
 * 3. A pull that hears nothing by its time and a bit is lost (the server forgot it: restart, new leader).
 *
 * A message that arrives between pulls, because its pull was given up, is handed out by the next one.
 */
import { createInbox, type Msg, type NatsConnection, nanos, type Subscription } from '@nats-io/nats-core'
import { Delivered } from './delivered.ts'

export type PullRequest = { readonly messages: number; readonly bytes: number; readonly expiresMs: number }

/**
 * Why a pull ended: `filled`: a bound was reached, more is waiting. `expired`: its time was over. `oversized`: the first message
 * alone exceeds the bytes. `absent`: there is no such consumer. `lost`: it was forgotten or given up.
 */
export type PullEnd = 'filled' | 'expired' | 'oversized' | 'absent' | 'lost'

export type Pulled = { readonly messages: readonly Delivered[]; readonly end: PullEnd }

const GRACE_MS = 2_000

type Open = { readonly inbox: string; readonly request: PullRequest; readonly end: (end: PullEnd) => void }

const endOf = (code: number, description: string, received: number): PullEnd => {
  if (code === 408 || code === 404) return 'expired'
  if (code === 409 && /message size exceeds/i.test(description)) return received > 0 ? 'filled' : 'oversized'
  if (code === 503 || /deleted|push based/i.test(description)) return 'absent'
  return 'lost'
}

export class Puller {
  readonly #connection: NatsConnection
  readonly #subject: string
  readonly #inboxes = createInbox()
  readonly #subscription: Subscription
  #serial = 0
  #received: Delivered[] = []
  #open: Open | undefined
  #stopped = false

  constructor(connection: NatsConnection, stream: string, consumer: string) {
    this.#connection = connection
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`
    this.#subscription = connection.subscribe(`${this.#inboxes}.*`, {
      callback: (error, message) => (error ? this.interrupt() : this.#take(message)),
    })
  }

  /** One pull at a time. Never rejects. */
  async pull(request: PullRequest): Promise<Pulled> {
    const { promise, resolve } = Promise.withResolvers<PullEnd>()
    const inbox = `${this.#inboxes}.${this.#serial++}`
    this.#open = { inbox, request, end: resolve }
    const timer = setTimeout(resolve, request.expiresMs + GRACE_MS, 'lost')
    if (this.#stopped) this.interrupt()
    else this.#ask(inbox, request)
    const end = await promise
    clearTimeout(timer)
    this.#open = undefined
    return { messages: this.#received.splice(0), end }
  }

  /** Ends the pull under way with what it has. */
  interrupt(): void {
    this.#open?.end('lost')
  }

  /** Ends the pull under way, and every later one at once. */
  stop(): void {
    this.#stopped = true
    this.interrupt()
  }

  /** Stops receiving; returns what arrived and was not handed out. */
  async close(): Promise<readonly Delivered[]> {
    this.stop()
    if (!this.#subscription.isClosed() && !this.#connection.isClosed()) await this.#subscription.drain()
    return this.#received.splice(0)
  }

  #ask(inbox: string, { messages, bytes, expiresMs }: PullRequest): void {
    const body = JSON.stringify({ batch: messages, max_bytes: bytes, expires: nanos(expiresMs) })
    try {
      this.#connection.publish(this.#subject, body, { reply: inbox })
    } catch {
      this.interrupt()
    }
  }

  #take(message: Msg): void {
    const { code = 0, description = '' } = message.headers ?? {}
    if (code === 0 && message.reply) this.#keep(message)
    else if (message.subject === this.#open?.inbox && code !== 100) {
      this.#open.end(endOf(code, description, this.#received.length))
    }
  }

  #keep(message: Msg): void {
    this.#received.push(new Delivered(message, this.#connection))
    if (this.#open && this.#received.length >= this.#open.request.messages) this.#open.end('filled')
  }
}
