import { type BatchInfo, batchInfo } from '@fleetloom/shared/pipeline/batch'
import type { Msg, NatsConnection } from '@nats-io/nats-core'

/** How often to ask for more time: the consumer's `ack_wait` must be at least three times this. */
export const WORKING_MS = 4_000

/** Of a message beside its body: headers, subjects, objects. */
const OVERHEAD = 2_048

const ACK = Buffer.from('+ACK')
const NAK = Buffer.from('-NAK')
const WORKING = Buffer.from('+WPI')

/**
 * A message as a pull consumer delivered it, with no more in memory than its rows need. Each is acknowledged by itself:
 * acknowledging everything up to one would reach over messages that another replica holds, as two may own a fleet for a moment.
 */
export class Delivered {
  readonly subject: string
  readonly body: Uint8Array
  /** undefined when it is not a batch of ours. */
  readonly info: BatchInfo | undefined
  readonly #reply: string
  readonly #connection: NatsConnection
  #settled = false

  constructor(message: Msg, connection: NatsConnection) {
    this.subject = message.subject
    this.body = Uint8Array.prototype.slice.call(message.data)
    this.info = batchInfo(message.headers)
    this.#reply = message.reply ?? ''
    this.#connection = connection
  }

  /** Bytes it takes in memory, about. */
  get size(): number {
    return this.body.length + OVERHEAD
  }

  /** In the stream. */
  get seq(): number {
    return Number(this.#told(0))
  }

  /** Counts the consumer's deliveries from 1: it falls when the consumer was made anew. */
  get deliverySeq(): number {
    return Number(this.#told(1))
  }

  /** When the stream stored it, ms since the epoch. */
  get storedMs(): number {
    return Math.floor(Number(this.#told(2)) / 1e6)
  }

  /** `ack` and `nak` settle it; after the first, both do nothing. */
  ack(): void {
    this.#settle(ACK)
  }

  /** Gives it back: the server delivers it again at once, to whoever asks. */
  nak(): void {
    this.#settle(NAK)
  }

  /** Asks the server for more time before it delivers it again. */
  working(): void {
    if (!this.#settled) this.#connection.publish(this.#reply, WORKING)
  }

  #settle(answer: Uint8Array): void {
    if (!this.#settled) this.#connection.publish(this.#reply, answer)
    this.#settled = true
  }

  /**
   * What the server tells in the reply subject:
   * `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>[.<token>]`
   */
  #told(fromSeq: number): string {
    const tokens = this.#reply.split('.')
    return tokens[(tokens.length > 9 ? 7 : 5) + fromSeq] ?? ''
  }
}
