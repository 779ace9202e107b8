import { createHash, type Hash } from 'node:crypto'
import { MAX_LETTER_BYTES } from '@fleetloom/shared/dead-letters/dead-letter'
import { viewOf } from '@fleetloom/shared/rows/digest'
import { type Frame, readPublish } from './frame.ts'

/** What is kept of a frame: enough for the longest dead letter that is kept whole, its topic and its properties. */
const KEPT = MAX_LETTER_BYTES + 128 * 1024

/** Collects a PUBLISH that does not fit into the read buffer. Its memory is bounded; what is beyond it is only hashed. */
export class LargeFrame {
  readonly #flags: number
  readonly #total: number
  readonly #bytes: Buffer
  readonly #frame: Frame
  #received = 0
  #hash: Hash | undefined

  /** `total` is the frame's remaining length. */
  constructor(frame: Frame, flags: number, total: number) {
    this.#frame = frame
    this.#flags = flags
    this.#total = total
    this.#bytes = Buffer.allocUnsafe(Math.min(total, KEPT) + 1)
  }

  /** Takes what belongs to the frame of `chunk[start, end)` and returns where the rest begins. */
  take(chunk: Buffer, start: number, end: number): number {
    const next = Math.min(end, start + this.#total - this.#received)
    const room = this.#bytes.length - 1 - Math.min(this.#received, this.#bytes.length - 1)
    const kept = Math.min(next, start + room)
    chunk.copy(this.#bytes, this.#received, start, kept)
    this.#received += next - start
    if (kept < next) this.#skip(chunk.subarray(kept, next))
    return next
  }

  get complete(): boolean {
    return this.#received === this.#total
  }

  /** The frame, once it is complete. */
  frame(): Frame {
    const frame = this.#frame
    this.#read()
    const { payloadStart, payloadEnd } = frame
    const missing = this.#total - (this.#bytes.length - 1)
    frame.cut = this.#hash && {
      payloadBytes: payloadEnd - payloadStart + missing,
      sha256: this.#hash.digest('hex'),
    }
    return frame
  }

  #read(): void {
    this.#frame.bytes = this.#bytes
    this.#frame.view = viewOf(this.#bytes)
    readPublish(this.#frame, this.#flags, 0, this.#bytes.length - 1)
  }

  #skip(rest: Buffer): void {
    if (this.#hash === undefined) {
      this.#read()
      const { payloadStart, payloadEnd } = this.#frame
      this.#hash = createHash('sha256').update(this.#bytes.subarray(payloadStart, payloadEnd))
    }
    this.#hash.update(rest)
  }
}
