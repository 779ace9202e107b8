/** Buffers of batches, used again and again: a batch's memory comes back when the stream has it. */

/** Size of a pooled buffer: some 450 rows of an ordinary reading. */
export const BUFFER_BYTES = 64 * 1024
const MAX_IDLE = 64

export class Buffers {
  readonly #idle: Buffer[] = []

  /** A buffer of `BUFFER_BYTES`, or of `least` if that is more. */
  take(least: number): Buffer {
    if (least > BUFFER_BYTES) return Buffer.allocUnsafeSlow(least)
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
  }

  give(buffer: Buffer): void {
    if (buffer.length === BUFFER_BYTES && this.#idle.length < MAX_IDLE) this.#idle.push(buffer)
  }
}
