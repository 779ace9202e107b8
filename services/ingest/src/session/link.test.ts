import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import mqtt from 'mqtt-packet'
import { Pacer } from '../mqtt/pacer.ts'
import { type Filters, Link } from './link.ts'

const REFUSED = 0x87

/** A broker that lets everyone in and grants everything, but refuses to unsubscribe the first time. */
const startBroker = async () => {
  const left: (readonly string[])[] = []
  const answerTo = (packet: mqtt.Packet): object | undefined => {
    switch (packet.cmd) {
      case 'connect':
        return { cmd: 'connack', reasonCode: 0, sessionPresent: true }
      case 'subscribe':
        return { cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(() => 1) }
      case 'unsubscribe': {
        left.push(packet.unsubscriptions)
        const code = left.length > 1 ? 0 : REFUSED
        return { cmd: 'unsuback', messageId: packet.messageId, granted: packet.unsubscriptions.map(() => code) }
      }
    }
    return undefined
  }
  const server = createServer((socket) => {
    const parser = mqtt.parser({ protocolVersion: 5 })
    parser.on('packet', (packet) => {
      const answer = answerTo(packet)
      if (answer) socket.write(mqtt.generate(answer as mqtt.Packet, { protocolVersion: 5 }))
    })
    socket.on('data', (data) => parser.parse(data)).on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    left,
    url: new URL(`mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`),
    close: () => server.close(),
  }
}

const startLink = (url: URL, filters: Filters) => {
  const subscribed = Promise.withResolvers<void>()
  const none = () => undefined
  const link = new Link({
    ...{ url, user: 'ingest', password: 'x', receiveMaximum: 10, keepAliveSeconds: 30, sessionExpirySeconds: 60 },
    ...{ takeoverPauseMs: 0, log: createLogger('test', 'silent'), pacer: new Pacer(1) },
    ...{ onRead: none, mayRead: () => true, onProbe: none, onLost: none, onFrame: () => ({ done: true }) },
    filters: () => filters,
    onSubscribed: () => subscribed.resolve(),
  })
  return { link, subscribed: subscribed.promise }
}

test('what an earlier connection of the session may have subscribed is unsubscribed, and it is not settled before that', async () => {
  const broker = await startBroker()
  const { link, subscribed } = startLink(broker.url, { wanted: ['new/+'], unwanted: ['$share/group/new/+'] })
  try {
    await subscribed
    assert.deepEqual(broker.left, [['$share/group/new/+'], ['$share/group/new/+']], 'once more after the refusal')
    assert.equal(link.isSettled, true)
  } finally {
    await link.close({ forget: false })
    broker.close()
  }
})
