/**
 * Acknowledgements in the order in which messages arrived (MQTT 5 section 4.6), each held back until what became of its
 * message is durable. Messages of one batch share a ticket.
 */

/** What a message waits for. */
export type Ticket = { done: boolean }

const PUBACK = 0x40

export class AckWindow {
  #mask: number
  #ids: Uint16Array
  #tickets: (Ticket | undefined)[]
  #head = 0
  #tail = 0

  /** `expected` messages find room at once; for more it grows. */
  constructor(expected: number) {
    const size = 2 ** Math.ceil(Math.log2(expected))
    this.#mask = size - 1
    this.#ids = new Uint16Array(size)
    this.#tickets = new Array(size).fill(undefined)
  }

  /** Messages that wait. */
  get size(): number {
    return this.#tail - this.#head
  }

  /** Adds the message that has just arrived. */
  add(packetId: number, ticket: Ticket): void {
    if (this.size > this.#mask) this.#grow()
    const slot = this.#tail++ & this.#mask
    this.#ids[slot] = packetId
    this.#tickets[slot] = ticket
  }

  /** PUBACKs of all that are done up to the first that is not; empty when there are none. */
  release(): Buffer {
    const mask = this.#mask
    let end = this.#head
    while (end < this.#tail && (this.#tickets[end & mask] as Ticket).done) end++
    const acks = Buffer.allocUnsafe((end - this.#head) * 4)
    for (let at = 0; this.#head < end; at += 4) {
      const slot = this.#head++ & mask
      const id = this.#ids[slot] as number
      this.#tickets[slot] = undefined
      acks[at] = PUBACK
      acks[at + 1] = 2
      acks[at + 2] = id >> 8
      acks[at + 3] = id
    }
    return acks
  }

  #grow(): void {
    const larger = new AckWindow((this.#mask + 1) * 2)
    for (let i = this.#head; i < this.#tail; i++)
      larger.add(this.#ids[i & this.#mask] as number, this.#tickets[i & this.#mask] as Ticket)
    this.#mask = larger.#mask
    this.#ids = larger.#ids
    this.#tickets = larger.#tickets
    this.#tail = this.size
    this.#head = 0
  }
}
