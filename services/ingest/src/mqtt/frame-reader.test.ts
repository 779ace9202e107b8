import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { payloadBytes, topicText } from '../decode/message.ts'
import { FrameReader } from './frame-reader.ts'
import { ProtocolFault } from './protocol.ts'
import { FRAME_IN_PLACE, readBuffer } from './read-buffer.ts'

type Seen = { topic: string; payload: string; id: number; dup: boolean; cut: unknown } | string

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Reads `bytes` in chunks that end at `cuts`. */
const read = (bytes: Buffer, cuts: readonly number[] = []): Seen[] => {
  const seen: Seen[] = []
  const reader = new FrameReader({
    onPublish: (frame) => {
      const payload = payloadBytes(frame)
      seen.push({
        topic: topicText(frame),
        payload: payload.length > 1000 ? digest(payload) : payload.toString('latin1'),
        id: frame.packetId,
        dup: frame.dup,
        cut: frame.cut,
      })
    },
    onPacket: (packet) => void seen.push(packet.cmd),
  })
  const ends = [...new Set([...cuts.map((cut) => cut % bytes.length), bytes.length])].sort((a, b) => a - b)
  let from = 0
  for (const end of ends) {
    for (; from < end; from += readBuffer.region.length) {
      const part = bytes.subarray(from, Math.min(end, from + readBuffer.region.length))
      readBuffer.region.set(part)
      reader.take(part.length)
    }
    from = end
  }
  return seen
}

const publish = (topic: string, payload: string | Buffer, id: number, dup = false): Buffer =>
  generate(
    {
      cmd: 'publish',
      topic,
      payload,
      qos: id === 0 ? 0 : 1,
      dup,
      retain: false,
      ...(id > 0 && { messageId: id }),
      ...(id % 3 === 1 && { properties: { userProperties: { a: 'b' }, contentType: 'x' } }),
    },
    { protocolVersion: 5 },
  )
const other = (packet: Packet): Buffer => generate(packet, { protocolVersion: 5 })

test('packets are cut out right wherever the reads end', () => {
  const one = fc
    .tuple(fc.stringMatching(/^[a-z/é]{1,20}$/), fc.string({ maxLength: 300 }), fc.nat(65_535), fc.boolean())
    .map(([topic, payload, id, dup]) => {
      const bytes = publish(topic, Buffer.from(payload, 'latin1'), id, id > 0 && dup)
      const expected: Seen = {
        topic,
        payload: Buffer.from(payload, 'latin1').toString('latin1'),
        id,
        dup: id > 0 && dup,
        cut: undefined,
      }
      return { bytes, expected }
    })
  const ping = fc.constant({ bytes: other({ cmd: 'pingresp' }), expected: 'pingresp' as Seen })
  fc.assert(
    fc.property(
      fc.array(fc.oneof(one, ping), { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(5_000)),
      (packets, cuts) => {
        const bytes = Buffer.concat(packets.map((packet) => packet.bytes))
        assert.deepEqual(
          read(bytes, cuts),
          packets.map(({ expected }) => expected),
        )
      },
    ),
  )
})

test('a payload larger than the read buffer arrives whole; one beyond a dead letter with its length and hash', () => {
  const large = Buffer.alloc(700_000, 'large')
  const huge = Buffer.alloc(3_000_000, 'huge!')
  const bytes = Buffer.concat([
    publish('a', 'x', 1),
    publish('b', large, 2),
    publish('c', huge, 3),
    publish('d', 'y', 4),
  ])
  const seen = read(bytes, [100_000, 900_001, 900_002])
  assert.deepEqual(
    seen.map((frame) => (typeof frame === 'string' ? frame : frame.topic)),
    ['a', 'b', 'c', 'd'],
  )
  assert.deepEqual(seen[1], { topic: 'b', payload: digest(large), id: 2, dup: false, cut: undefined })
  const third = seen[2] as Exclude<Seen, string>
  assert.deepEqual(third.cut, { payloadBytes: huge.length, sha256: digest(huge) })
})

test('a frame that just fits, and one that just does not, are read alike', () => {
  for (const size of [FRAME_IN_PLACE - 20, FRAME_IN_PLACE - 8, FRAME_IN_PLACE, FRAME_IN_PLACE + 1]) {
    const payload = Buffer.alloc(size, 'z')
    const seen = read(Buffer.concat([publish('t', payload, 7), publish('u', 'end', 8)]), [3, size - 5, size + 9])
    assert.deepEqual(
      seen.map((frame) => typeof frame !== 'string' && frame.payload),
      [digest(payload), 'end'],
    )
  }
})

test('what is not MQTT is a fault with a reason', () => {
  const faults = [
    Buffer.from([0x32, 0xff, 0xff, 0xff, 0xff, 0x01]),
    Buffer.from([0x32, 3, 0, 9, 0x61]),
    Buffer.from([0x32, 6, 0, 1, 0x61, 0, 0, 0]),
    Buffer.from([0x34, 6, 0, 1, 0x61, 0, 1, 0]),
    Buffer.from([0x30, 4, 0, 0, 0, 0]),
    Buffer.from([0x00, 0]),
  ]
  for (const bytes of faults) assert.throws(() => read(bytes), ProtocolFault, bytes.toString('hex'))
})
