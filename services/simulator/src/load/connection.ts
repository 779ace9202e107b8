/**
 * One connection of a load run: keeps up to `window` QoS 1 messages in flight. Each packet id has a slot that remembers
 * where its packet lies; after a reconnect the packets that have no PUBACK yet are sent again byte for byte, in order.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import mqtt from 'mqtt-packet'
import { ackReader, PublishWriter, type Slot } from './packets.ts'
import { type Endpoint, type Login, openSession, Refused, type Session } from './session.ts'

export type ConnectionOptions = Endpoint & {
  readonly login: Login
  readonly window: number
  /** Connect again for as long as it takes when the connection is lost; else that ends the run. */
  readonly reconnect: boolean
  /** Number of the `index`-th message of this connection; undefined when there are no more. */
  readonly numberAt: (index: number) => number | undefined
  readonly topicOf: (number: number) => Buffer
  readonly payloadOf: (number: number, atMicros: number) => string | Uint8Array
  readonly onAck: (number: number, reason: number) => void
}

export type ConnectionCounts = { sent: number; resent: number; reconnects: number; inFlight: number }

const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1_000
const IDLE = -1

export class LoadConnection {
  readonly counts: ConnectionCounts = { sent: 0, resent: 0, reconnects: 0, inFlight: 0 }
  /** Resolves when every message is acknowledged or `finish` was called and nothing is in flight; rejects when it can't go on. */
  readonly done: Promise<void>
  readonly #options: ConnectionOptions
  readonly #writer: PublishWriter
  readonly #slots: Slot[] = []
  readonly #free: number[] = []
  readonly #outcome = Promise.withResolvers<void>()
  #session: Session | undefined
  #credit = 0
  #finishing = false
  #closed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#writer = new PublishWriter(options.version)
    this.done = this.#outcome.promise
    // Whoever started the run may come to await `done` only later.
    this.done.catch(() => undefined)
  }

  /** Resolves when logged in for the first time. */
  async start(): Promise<void> {
    const session = await openSession(this.#options, this.#options.login)
    if (this.#closed) return void session.socket.destroy()
    const window = Math.min(this.#options.window, session.receiveMaximum)
    for (let id = window; id >= 1; id--) this.#free.push(id)
    for (let id = 0; id <= window; id++) this.#slots.push({ chunk: Buffer.alloc(0), start: 0, end: 0, number: IDLE })
    this.#use(session)
  }

  /** Lets `messages` more be sent, fractions adding up, and holding at most `most` unused. */
  grant(messages: number, most: number): void {
    this.#credit = Math.min(this.#credit + messages, most)
    this.#fill()
  }

  /** Sends nothing new. */
  finish(): void {
    this.#finishing = true
    this.#settle()
  }

  /** Ends the connection whatever is in flight. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    const socket = this.#session?.socket
    if (socket?.writable) socket.end(mqtt.generate({ cmd: 'disconnect' }))
    socket?.setTimeout(1_000, () => socket.destroy())
    this.#outcome.resolve()
  }

  #use(session: Session): void {
    this.#session = session
    const { socket } = session
    const read = ackReader((id, reason) => this.#release(id, reason))
    socket.on('data', (data: Buffer) => {
      read(data)
      this.#fill()
      this.#settle()
    })
    socket.on('error', () => undefined)
    socket.once('close', () => void this.#lost())
    this.#fill()
  }

  #release(id: number, reason: number): void {
    const slot = this.#slots[id]
    if (slot === undefined || slot.number === IDLE) return
    this.#options.onAck(slot.number, reason)
    slot.number = IDLE
    this.#free.push(id)
    this.counts.inFlight--
  }

  #fill(): void {
    const socket = this.#session?.socket
    if (!socket?.writable || this.#finishing) return
    const atMicros = Math.floor((performance.timeOrigin + performance.now()) * 1_000)
    while (this.#credit >= 1 && this.#free.length > 0 && this.#writeNext(atMicros)) this.#credit--
    for (const part of this.#writer.take()) socket.write(part)
  }

  #writeNext(atMicros: number): boolean {
    const number = this.#options.numberAt(this.counts.sent)
    if (number === undefined) return false
    const id = this.#free.pop() as number
    const slot = this.#slots[id] as Slot
    slot.number = number
    this.#writer.write(slot, id, this.#options.topicOf(number), this.#options.payloadOf(number, atMicros))
    this.counts.sent++
    this.counts.inFlight++
    return true
  }

  #settle(): void {
    const more = !this.#finishing && this.#options.numberAt(this.counts.sent) !== undefined
    if (!more && this.counts.inFlight === 0) this.close()
  }

  async #lost(): Promise<void> {
    this.#session = undefined
    if (this.#closed) return
    if (!this.#options.reconnect) {
      this.#outcome.reject(new Error(`connection of ${this.#options.login.clientId} lost`))
      return
    }
    try {
      const session = await this.#retry()
      if (session === undefined || this.#closed) return void session?.socket.destroy()
      this.counts.reconnects++
      this.#resend(session)
      this.#use(session)
    } catch (error) {
      this.#outcome.reject(error)
    }
  }

  async #retry(): Promise<Session | undefined> {
    for (let waitMs = FIRST_RETRY_MS; !this.#closed; waitMs = Math.min(waitMs * 2, LAST_RETRY_MS)) {
      try {
        return await openSession(this.#options, this.#options.login)
      } catch (error) {
        if (error instanceof Refused && !error.transient) throw error
        await sleep(waitMs)
      }
    }
    return undefined
  }

  #resend({ socket }: Session): void {
    const waiting = this.#slots.filter(({ number }) => number !== IDLE).sort((a, b) => a.number - b.number)
    for (const { chunk, start, end } of waiting) socket.write(chunk.subarray(start, end))
    this.counts.resent += waiting.length
  }
}
