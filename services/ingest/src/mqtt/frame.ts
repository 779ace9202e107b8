import { emptyMessage, type Message } from '../decode/message.ts'
import { ProtocolFault } from './protocol.ts'

/** One PUBLISH from the broker, in the buffer it was read into. One object is reused for all frames of a connection. */
export type Frame = Message & {
  packetId: number
  qos: number
  dup: boolean
  /** Set when the payload was too long to keep whole: what is missing, and the SHA-256 (hex) of all of it. */
  cut: { readonly payloadBytes: number; readonly sha256: string } | undefined
}

export const emptyFrame = (): Frame => ({ ...emptyMessage(), packetId: 0, qos: 0, dup: false, cut: undefined })

const varint = { value: 0, next: 0 }

/**
 * Reads a variable byte integer at `at`; its value and the offset behind it are left in one shared object. False when it is not
 * complete before `end`.
 */
export const readVarint = (bytes: Uint8Array, at: number, end: number): typeof varint | undefined => {
  let value = 0
  for (let i = 0; i < 4; i++) {
    if (at + i >= end) return undefined
    const byte = bytes[at + i] as number
    value |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) {
      varint.value = value
      varint.next = at + i + 1
      return varint
    }
  }
  throw new ProtocolFault('a length from the broker has more than four bytes')
}

/**
 * Reads the PUBLISH whose variable header lies at `at` into `frame`. `end` is where what was kept of it ends.
 * @throws ProtocolFault when it is malformed.
 */
export const readPublish = (frame: Frame, flags: number, at: number, end: number): void => {
  const { bytes } = frame
  const topicStart = at + 2
  if (topicStart > end) throw new ProtocolFault('a PUBLISH from the broker ends within its header')
  const topicEnd = topicStart + ((bytes[at] as number) << 8) + (bytes[at + 1] as number)
  frame.qos = (flags >> 1) & 3
  frame.dup = (flags & 8) !== 0
  frame.packetId = 0
  frame.topicStart = topicStart
  frame.topicEnd = topicEnd
  let next = topicEnd
  if (frame.qos > 0) {
    frame.packetId = next + 2 <= end ? ((bytes[next] as number) << 8) | (bytes[next + 1] as number) : 0
    if (frame.packetId === 0 || frame.qos > 1)
      throw new ProtocolFault('a PUBLISH from the broker has no packet id or QoS 2')
    next += 2
  }
  const properties = readVarint(bytes, next, end)
  if (properties === undefined || topicEnd === topicStart || properties.next + properties.value > end)
    throw new ProtocolFault('a PUBLISH from the broker ends within its header')
  frame.payloadStart = properties.next + properties.value
  frame.payloadEnd = end
}
