import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import mqtt from 'mqtt-packet'
import { deviceIndexOf, type LoadOptions, startLoad } from './load.ts'
import { bareScalar, objectPayload, scalarWithTimestamp } from './payload.ts'

type Seen = { topic: string; payload: string }

/** Speaks just enough MQTT to acknowledge: `reasonOf` answers each message; undefined hangs up instead. */
const acknowledger = async (version: 4 | 5, reasonOf: (seen: Seen, index: number) => number | undefined) => {
  const seen: Seen[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    const parser = mqtt.parser({ protocolVersion: version })
    parser.on('packet', (packet) => {
      if (packet.cmd === 'connect') {
        const connack = { cmd: 'connack', reasonCode: 0, returnCode: 0, sessionPresent: false } as const
        socket.write(mqtt.generate(connack, { protocolVersion: version }))
      }
      if (packet.cmd !== 'publish' || socket.destroyed) return
      const message = { topic: packet.topic, payload: packet.payload.toString() }
      const reasonCode = reasonOf(message, seen.push(message) - 1)
      if (reasonCode === undefined) return void socket.destroy()
      const ack = { cmd: 'puback', messageId: packet.messageId as number, reasonCode } as const
      socket.write(mqtt.generate(ack, { protocolVersion: version }))
    })
    socket.on('data', (data) => void parser.parse(data))
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const options = (port: number, rest: Partial<LoadOptions> = {}): LoadOptions => ({
  port,
  logins: [{ clientId: 'a' }, { clientId: 'b' }],
  devices: ['d0', 'd1', 'd2', 'd3', 'd4'],
  topicOf: (device) => `devices/${device}/telemetry`,
  payload: bareScalar(),
  window: 16,
  count: 1_000,
  ...rest,
})

test('every number is sent once, on the topic of its device, and recorded as acknowledged', async () => {
  await using broker = await acknowledger(4, () => 0)
  const load = await startLoad(options(broker.port, { version: 4 }))
  const result = await load.done
  assert.deepEqual(result.acknowledgedNumbers.ranges(), [[0, 999]])
  assert.deepEqual(
    broker.seen.map(({ payload }) => Number(payload)).sort((a, b) => a - b),
    Array.from({ length: 1_000 }, (_, i) => i),
  )
  for (const { topic, payload } of broker.seen) {
    assert.equal(topic, `devices/${load.deviceOf(Number(payload))}/telemetry`)
  }
  assert.equal(new Set(broker.seen.map(({ topic }) => topic)).size, 5)
})

test('refusals and messages that nobody takes are told apart from acknowledgements', async () => {
  await using broker = await acknowledger(5, ({ payload }) => (Number(payload) % 10 === 3 ? 0x87 : 0x10))
  const { refused, acknowledged, unheard, refusedNumbers } = await (await startLoad(options(broker.port))).done
  assert.deepEqual({ refused, acknowledged, unheard }, { refused: 100, acknowledged: 900, unheard: 900 })
  assert.equal(refusedNumbers.has(13), true)
})

test('after a lost connection what has no PUBACK is sent again, byte for byte', async () => {
  await using broker = await acknowledger(5, (_, index) => (index % 97 === 96 ? undefined : 0))
  const payload = objectPayload()
  const result = await (await startLoad(options(broker.port, { reconnect: true, count: 500, payload }))).done
  assert.deepEqual(result.acknowledgedNumbers.ranges(), [[0, 499]])
  assert.ok(result.reconnects > 0 && result.resent > 0)
  assert.equal(new Set(broker.seen.map((message) => JSON.stringify(message))).size, 500)
})

test('without leave to reconnect a lost connection ends the run', async () => {
  await using broker = await acknowledger(5, (_, index) => (index === 50 ? undefined : 0))
  await assert.rejects((await startLoad(options(broker.port))).done, /connection of [ab] lost/)
})

test('a rate is kept, and stop waits for what is in flight', async (context) => {
  await using broker = await acknowledger(5, () => 0)
  let nowMs = 0
  context.mock.method(performance, 'now', () => nowMs)
  context.mock.timers.enable({ apis: ['setInterval'] })
  const load = await startLoad(options(broker.port, { rate: 2_000, count: 100_000 }))
  const pass = (ms: number): void => {
    nowMs += ms
    context.mock.timers.tick(ms)
  }
  const settled = async (): Promise<void> => {
    while (load.stats().inFlight > 0) await setImmediate()
  }
  for (let i = 0; i < 80; i++) {
    pass(5)
    await settled()
  }
  assert.ok(Math.abs(load.stats().sent - 800) <= 2, `${load.stats().sent} sent in 400 ms`)
  pass(5)
  assert.ok(load.stats().inFlight > 0)
  const { rate, inFlight, sent, acknowledged } = await load.stop()
  assert.ok(Math.abs(rate - 2_000) < 10, `rate ${rate}`)
  assert.deepEqual({ inFlight, lost: sent - acknowledged }, { inFlight: 0, lost: 0 })
})

test('each device keeps to one connection and all devices get messages', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 50 }), (connections, more) => {
      const devices = connections + more
      const seen = new Map<number, Set<number>>()
      for (let n = 0; n < 3 * devices * connections; n++) {
        const device = deviceIndexOf(n, connections, devices)
        seen.set(device, (seen.get(device) ?? new Set()).add(n % connections))
      }
      assert.equal(seen.size, devices)
      for (const [device, over] of seen) {
        assert.ok(device < devices)
        assert.equal(over.size, 1)
      }
    }),
  )
})

test('payloads hold the number and the time in the unit asked for', () => {
  const atMicros = 1_763_698_601_123_456
  const object = objectPayload('Microseconds')(1_234_567, atMicros) as string
  const { ts, battery, state } = JSON.parse(object)
  assert.deepEqual({ ts, battery, state }, { ts: atMicros, battery: 1_234_567, state: 'ok' })
  assert.ok(Math.abs(object.length - 110) <= 8, `${object.length} bytes`)
  assert.equal(scalarWithTimestamp('Seconds')(7, atMicros), '{"value":7,"ts":1763698601}')
  assert.equal(bareScalar()(7, atMicros), '7')
})
