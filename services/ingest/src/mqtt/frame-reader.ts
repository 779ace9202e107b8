/**
 * Cuts the broker's bytes into packets. A PUBLISH is handed over in place, without a copy; every other packet is rare and
 * goes through `mqtt-packet`. What a read leaves unfinished is copied aside and put back in front of the next one; a frame
 * larger than the headroom for that is collected apart.
 */
import { type Packet, type Parser, parser } from 'mqtt-packet'
import { emptyFrame, type Frame, readPublish, readVarint } from './frame.ts'
import { LargeFrame } from './large-frame.ts'
import { ProtocolFault, PUBLISH } from './protocol.ts'
import { FRAME_IN_PLACE, readBuffer } from './read-buffer.ts'

export type FrameHandlers = {
  /** The frame is valid only during the call. */
  readonly onPublish: (frame: Frame) => void
  readonly onPacket: (packet: Packet) => void
}

const MAX_OTHER_PACKET = FRAME_IN_PLACE - 16

export class FrameReader {
  readonly #handlers: FrameHandlers
  readonly #frame = emptyFrame()
  readonly #parser: Parser
  #carry = Buffer.alloc(0)
  #carried = 0
  #large: LargeFrame | undefined

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers
    this.#parser = parser({ protocolVersion: 5 })
    this.#parser.on('packet', (packet) => handlers.onPacket(packet))
    this.#parser.on('error', (error) => {
      throw new ProtocolFault(error.message)
    })
  }

  /**
   * Takes the `length` bytes that were just read into the read buffer's region.
   * @throws ProtocolFault when they are not MQTT.
   */
  take(length: number): void {
    const { bytes } = readBuffer
    const end = readBuffer.start + length
    let at = readBuffer.start - this.#carried
    this.#carry.copy(bytes, at, 0, this.#carried)
    this.#carried = 0
    while (at < end) {
      const next = this.#packet(at, end)
      if (next < 0) break
      at = next
    }
    this.#keep(at, end)
  }

  /** Handles the packet at `at`; where the next begins, or -1 when it is not complete. */
  #packet(at: number, end: number): number {
    const { bytes } = readBuffer
    if (this.#large) return this.#continue(this.#large, at, end)
    const first = bytes[at] as number
    const length = readVarint(bytes, at + 1, end)
    if (length === undefined) return -1
    const body = length.next
    const total = length.value
    const next = body + total
    if (first >> 4 === PUBLISH) {
      if (next <= end) return this.#publish(first, body, next)
      if (next - at < FRAME_IN_PLACE) return -1
      this.#large = new LargeFrame(this.#frame, first, total)
      return this.#continue(this.#large, body, end)
    }
    if (total > MAX_OTHER_PACKET) throw new ProtocolFault('a packet from the broker is larger than any should be')
    if (next > end) return -1
    this.#parser.parse(Buffer.from(bytes.subarray(at, next)))
    return next
  }

  #publish(flags: number, at: number, next: number): number {
    const frame = this.#frame
    frame.bytes = readBuffer.bytes
    frame.view = readBuffer.view
    frame.cut = undefined
    readPublish(frame, flags, at, next)
    this.#handlers.onPublish(frame)
    return next
  }

  #continue(large: LargeFrame, at: number, end: number): number {
    const next = large.take(readBuffer.bytes, at, end)
    if (!large.complete) return end
    this.#large = undefined
    this.#handlers.onPublish(large.frame())
    return next
  }

  #keep(at: number, end: number): void {
    const left = end - at
    if (left > this.#carry.length) this.#carry = Buffer.allocUnsafe(Math.min(FRAME_IN_PLACE, Math.max(left, 4096) * 2))
    readBuffer.bytes.copy(this.#carry, 0, at, end)
    this.#carried = left
  }
}
