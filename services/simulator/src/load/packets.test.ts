import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import mqtt from 'mqtt-packet'
import { ackReader, encodeTopic, PublishWriter, type Slot } from './packets.ts'

const emptySlot = (): Slot => ({ chunk: Buffer.alloc(0), start: 0, end: 0, number: 0 })

for (const version of [4, 5] as const) {
  test(`MQTT ${version}: packets read back as they were written, and each slot holds its own`, () => {
    const message = fc.record({
      id: fc.integer({ min: 1, max: 65_535 }),
      topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }),
      payload: fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 300 }),
        fc.integer({ min: 1, max: 70_000 }).map((length) => Buffer.alloc(length, 7)),
      ),
    })
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (messages) => {
        const writer = new PublishWriter(version)
        const slots = messages.map(({ id, topic, payload }) => {
          const slot = emptySlot()
          writer.write(slot, id, encodeTopic(topic), payload)
          return slot
        })
        const read: unknown[] = []
        const parser = mqtt.parser({ protocolVersion: version })
        parser.on('packet', (packet) => {
          assert.ok(packet.cmd === 'publish')
          read.push({ id: packet.messageId, topic: packet.topic, payload: packet.payload.toString(), qos: packet.qos })
        })
        for (const part of writer.take()) parser.parse(part)
        const want = messages.map(({ id, topic, payload }) => ({ id, topic, payload: payload.toString(), qos: 1 }))
        assert.deepEqual(read, want)
        assert.deepEqual(writer.take(), [])
        read.length = 0
        for (const { chunk, start, end } of slots) parser.parse(chunk.subarray(start, end))
        assert.deepEqual(read, want)
      }),
      { numRuns: 50 },
    )
  })
}

test('acknowledgements are read from a stream cut anywhere, other packets skipped', () => {
  const bytes = Buffer.from([0x40, 2, 0, 1, 0xd0, 0, 0x40, 3, 1, 2, 0x10, 0x40, 4, 0xff, 0xff, 0x87, 0])
  for (let cut = 0; cut <= bytes.length; cut++) {
    const acks: [number, number][] = []
    const read = ackReader((id, reason) => acks.push([id, reason]))
    read(bytes.subarray(0, cut))
    read(bytes.subarray(cut))
    assert.deepEqual(acks, [
      [1, 0],
      [258, 0x10],
      [65_535, 0x87],
    ])
  }
})
