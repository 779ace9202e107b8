/**
 * Publishes to JetStream with many messages in flight. Each carries a reply subject below one inbox of ours, so an
 * acknowledgement is one look-up: cheaper than a request with a promise and a timer for each. One sweep finds those that
 * went unanswered; a lost connection fails all at once, as the server may have died with them.
 */
import { createInbox, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from '@nats-io/nats-core'

/** Why the stream did not take a message; `code` is JetStream's error code, or a word. */
export type PublishFault = { readonly code: string; readonly text: string }

export type Settled = (fault: PublishFault | undefined) => void

const ACK_TIMEOUT_MS = 10_000
const SWEEP_MS = 1_000
const NO_RESPONDERS = 503

const unanswered: PublishFault = { code: 'timeout', text: 'the stream did not answer in time' }
const disconnected: PublishFault = { code: 'disconnected', text: 'NATS is not reachable' }

const faultOf = (message: Msg): PublishFault | undefined => {
  if (message.headers?.code === NO_RESPONDERS) return { code: 'no_responders', text: 'no stream takes the subject' }
  const text = message.string()
  if (!text.includes('"error"')) return undefined
  const { error } = JSON.parse(text) as { error?: { err_code?: number; description?: string } }
  return error && { code: String(error.err_code ?? 'unknown'), text: error.description ?? 'refused by the stream' }
}

type Pending = { readonly settled: Settled; readonly sentMs: number }
type Outgoing = { readonly subject: string; readonly body: Uint8Array; readonly headers: MsgHdrs }

export class Publisher implements AsyncDisposable {
  readonly #connection: NatsConnection
  readonly #inbox = `${createInbox()}.`
  readonly #subscription: Subscription
  readonly #pending = new Map<number, Pending>()
  readonly #listeners = new Set<() => void>()
  readonly #timer: NodeJS.Timeout
  #next = 0
  #connected = true

  constructor(connection: NatsConnection) {
    this.#connection = connection
    this.#subscription = connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (!error) this.#settle(Number(message.subject.slice(this.#inbox.length)), faultOf(message))
      },
    })
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS)
    void this.#watch()
  }

  /** Publishes; `settled` is called once. Nothing is thrown: a fault comes through it too. */
  send({ subject, body, headers }: Outgoing, settled: Settled): void {
    const id = this.#next++
    this.#pending.set(id, { settled, sentMs: performance.now() })
    if (!this.#connected) {
      this.#settle(id, disconnected)
      return
    }
    try {
      this.#connection.publish(subject, body, { reply: `${this.#inbox}${id}`, headers })
    } catch (error) {
      this.#settle(id, { code: 'refused', text: error instanceof Error ? error.message : String(error) })
    }
  }

  /** Calls `listener` whenever the connection stands again; returns how to stop that. */
  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#failAll(disconnected)
    if (!this.#connection.isClosed()) this.#subscription.unsubscribe()
  }

  #settle(id: number, fault: PublishFault | undefined): void {
    const entry = this.#pending.get(id)
    if (entry && this.#pending.delete(id)) entry.settled(fault)
  }

  #failAll(fault: PublishFault): void {
    for (const id of [...this.#pending.keys()]) this.#settle(id, fault)
  }

  #sweep(): void {
    const before = performance.now() - ACK_TIMEOUT_MS
    for (const [id, { sentMs }] of this.#pending) {
      if (sentMs > before) return
      this.#settle(id, unanswered)
    }
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect') {
        this.#connected = false
        this.#failAll(disconnected)
      } else if (type === 'reconnect') {
        this.#connected = true
        for (const listener of this.#listeners) listener()
      }
    }
  }
}
