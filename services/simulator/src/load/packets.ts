/**
 * The two packets that a load run is made of. PUBLISH (QoS 1) is written straight into large chunks, many packets to a
 * chunk, so that one socket write carries hundreds; PUBACK is read straight from what the socket gives. Everything else
 * (CONNECT, CONNACK) happens once per connection and is left to mqtt-packet.
 */

const CHUNK_BYTES = 64 * 1024
const PUBLISH_QOS1 = 0x32
const PUBACK = 4

/** Where a packet lies: it stays readable until its slot is used again, so it can be sent again as it was. */
export type Slot = { chunk: Buffer; start: number; end: number; number: number }

const lengthBytes = (length: number): number => (length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4)

const writeLength = (target: Buffer, at: number, length: number): number => {
  let rest = length
  let offset = at
  while (rest > 127) {
    target[offset++] = (rest & 127) | 128
    rest >>>= 7
  }
  target[offset++] = rest
  return offset
}

/** A topic as a PUBLISH holds it: two bytes of length, then UTF-8. */
export const encodeTopic = (topic: string): Buffer => {
  const bytes = Buffer.byteLength(topic)
  const encoded = Buffer.allocUnsafe(2 + bytes)
  encoded.writeUInt16BE(bytes, 0)
  encoded.write(topic, 2)
  return encoded
}

/** Writes PUBLISH packets one behind the other; `take` hands over what has not been taken yet. */
export class PublishWriter {
  readonly #properties: boolean
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  #taken = 0
  #end = 0
  readonly #full: Buffer[] = []

  /** MQTT 5 packets hold an (empty) property list. */
  constructor(version: 4 | 5) {
    this.#properties = version === 5
  }

  /** Fills `slot` with where the packet lies. */
  write(slot: Slot, id: number, topic: Buffer, payload: string | Uint8Array): void {
    const payloadBytes = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
    const length = topic.length + (this.#properties ? 3 : 2) + payloadBytes
    this.#reserve(1 + lengthBytes(length) + length)
    const chunk = this.#chunk
    slot.chunk = chunk
    slot.start = this.#end
    let at = this.#end
    chunk[at++] = PUBLISH_QOS1
    at = writeLength(chunk, at, length)
    chunk.set(topic, at)
    at += topic.length
    chunk[at++] = id >>> 8
    chunk[at++] = id & 255
    if (this.#properties) chunk[at++] = 0
    if (typeof payload === 'string') chunk.write(payload, at)
    else chunk.set(payload, at)
    slot.end = this.#end = at + payloadBytes
  }

  /** Bytes written since the last call. */
  take(): Buffer[] {
    const parts = this.#full.splice(0)
    if (this.#end > this.#taken) parts.push(this.#chunk.subarray(this.#taken, this.#end))
    this.#taken = this.#end
    return parts
  }

  #reserve(bytes: number): void {
    if (this.#chunk.length - this.#end >= bytes) return
    if (this.#end > this.#taken) this.#full.push(this.#chunk.subarray(this.#taken, this.#end))
    this.#chunk = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, bytes))
    this.#taken = this.#end = 0
  }
}

/** `reason` is 0 on MQTT 3.1.1. */
export type OnAck = (id: number, reason: number) => void

/** Bytes of the fixed header and of the whole packet at `at`; undefined when it is not all there. */
const extentOf = (bytes: Buffer, at: number): { header: number; total: number } | undefined => {
  let length = 0
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return undefined
    length |= (byte & 127) << (7 * (i - 1))
    if (byte < 128) return at + 1 + i + length <= bytes.length ? { header: 1 + i, total: 1 + i + length } : undefined
  }
  throw new Error('the broker sent a packet with a malformed length')
}

/** Reads the packets in `bytes` and returns how far it came. */
const readAcks = (bytes: Buffer, onAck: OnAck): number => {
  let at = 0
  for (let extent = extentOf(bytes, at); extent; extent = extentOf(bytes, at)) {
    const body = at + extent.header
    const end = at + extent.total
    if ((bytes[at] as number) >>> 4 === PUBACK) {
      onAck(bytes.readUInt16BE(body), end > body + 2 ? (bytes[body + 2] as number) : 0)
    }
    at = end
  }
  return at
}

/** Reads PUBACKs out of a byte stream that may be cut anywhere; other packets are skipped. */
export const ackReader = (onAck: OnAck): ((data: Buffer) => void) => {
  let carry: Buffer | undefined
  return (data) => {
    const bytes = carry ? Buffer.concat([carry, data]) : data
    const at = readAcks(bytes, onAck)
    carry = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined
  }
}
