/** Messages of one device that have no PUBACK yet, oldest first; beyond `limit` the oldest is dropped and counted. */
export class Outbox<Message> {
  readonly #limit: number
  readonly #onDrop: () => void
  readonly #messages: Message[] = []

  constructor(limit: number, onDrop: () => void) {
    this.#limit = limit
    this.#onDrop = onDrop
  }

  get size(): number {
    return this.#messages.length
  }

  put(message: Message): void {
    this.#messages.push(message)
    if (this.#messages.length <= this.#limit) return
    this.#messages.shift()
    this.#onDrop()
  }

  /** The oldest message; it stays until it is settled. */
  peek(): Message | undefined {
    return this.#messages[0]
  }

  /** Takes a message out if it is still there: it may have been dropped meanwhile. */
  settle(message: Message): void {
    if (this.#messages[0] === message) this.#messages.shift()
  }
}
