#!/usr/bin/env node
// A device in Node: publishes readings at QoS 1 over MQTT 5, and prints what the platform says of them.
//
//   npm install mqtt@5
//   DEVICE_SECRET=… node device.mjs --username coldchain.truck-7 --fleet reefers --reading '{"temperature": 4.2}'
//
// It ends with 0 when every reading was accepted by the broker and none was rejected later.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connectAsync } from 'mqtt'

const { values: args } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '1883' },
    username: { type: 'string' }, // NAMESPACE.DEVICE
    fleet: { type: 'string' },
    reading: { type: 'string', default: '{"temperature": 4.2}' }, // a JSON object of measurements
    count: { type: 'string', default: '3' },
    every: { type: 'string', default: '1' }, // seconds between readings
    linger: { type: 'string', default: '0' }, // seconds to listen for rejections at the end
  },
})
const { username = '', fleet } = args
const dot = username.indexOf('.')
const base = `fleets/${username.slice(0, dot)}/${fleet}/${username.slice(dot + 1)}`
const say = (line) => process.stdout.write(`${line}\n`)
let failures = 0

// The client id is the user name: the broker insists. A lost connection is made again, and what has no PUBACK sent again.
const client = await connectAsync(`mqtt://${args.host}:${args.port}`, {
  protocolVersion: 5,
  clientId: username,
  username,
  password: process.env.DEVICE_SECRET,
}).catch((error) => {
  say(`not let in: ${error.message}`)
  process.exit(1)
})
client.on('message', (_, payload) => {
  failures++
  const { reason, field, hint } = JSON.parse(payload.toString())
  say(`rejected: ${reason} ${field}: ${hint}`)
})
await client.subscribeAsync(`${base}/errors`).catch((error) => say(`can't hear of rejections: ${error.message}`))

for (let i = 1; i <= Number(args.count); i++) {
  const reading = { ts: Date.now(), ...JSON.parse(args.reading) }
  try {
    await client.publishAsync(`${base}/telemetry`, JSON.stringify(reading), { qos: 1 })
    say(`${i}: Success`)
  } catch (error) {
    failures++
    say(`${i}: refused: ${error.message}`)
  }
  await sleep(Number(args.every) * 1000)
}

await sleep(Number(args.linger) * 1000)
await client.endAsync()
process.exit(failures > 0 ? 1 : 0)
