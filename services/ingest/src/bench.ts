/**
 * CPU time of decoding one message into its row, by form: `node services/ingest/src/bench.ts [messages]`. Messages lie one
 * behind the other in one buffer, as after a read from the broker.
 */
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { viewOf } from '@fleetloom/shared/rows/digest'
import { DeviceHash } from './decode/device.ts'
import { FastDecoder, rowBound } from './decode/fast.ts'
import { judge } from './decode/judge.ts'
import { emptyMessage, type Message } from './decode/message.ts'
import { compilePlan } from './decode/plan.ts'
import { decodeObject, decodeScalar } from './decode/reference.ts'
import { matchTopic, type TopicPattern } from './decode/topic.ts'
import { fleetDocument, scalarDocument } from './testing.ts'

const DEVICES = 1000
const NOW_MS = 1_700_000_000_000

type Place = Pick<Message, 'topicStart' | 'topicEnd' | 'payloadStart' | 'payloadEnd'>

const layOut = (make: (i: number) => readonly [topic: string, payload: string]): { bytes: Buffer; places: Place[] } => {
  const places: Place[] = []
  const parts: string[] = []
  let at = 0
  for (let i = 0; i < DEVICES; i++) {
    const [topic, payload] = make(i)
    parts.push(topic, payload)
    const payloadStart = at + topic.length
    places.push({ topicStart: at, topicEnd: payloadStart, payloadStart, payloadEnd: payloadStart + payload.length })
    at = payloadStart + payload.length
  }
  return { bytes: Buffer.from(`${parts.join('')} `), places }
}

const measure = (name: string, count: number, step: (i: number) => void): void => {
  for (let i = 0; i < count / 4; i++) step(i % DEVICES)
  const start = process.cpuUsage()
  for (let i = 0; i < count; i++) step(i % DEVICES)
  const { user, system } = process.cpuUsage(start)
  process.stdout.write(`${name.padEnd(28)} ${((user + system) / count).toFixed(3)} µs per message\n`)
}

const benchmark = (name: string, document: FleetDocument, make: (i: number) => readonly [string, string]): void => {
  const count = Number(process.argv[2] ?? 500_000)
  const plan = compilePlan(document)
  const pattern = plan.telemetry[0] as TopicPattern
  const decoder = new FastDecoder(plan)
  const device = new DeviceHash()
  const { bytes, places } = layOut(make)
  const message = Object.assign(emptyMessage(), { bytes, view: viewOf(bytes), arrivalMicros: NOW_MS * 1000 })
  const out = Buffer.alloc(1 << 16)
  const locate = (i: number): void => {
    Object.assign(message, places[i])
    if (!matchTopic(pattern, bytes, message, message)) throw new Error('no match')
  }
  const place = (i: number): void => {
    const { topicStart, topicEnd, payloadStart, payloadEnd } = places[i] as Place
    message.topicStart = topicStart
    message.topicEnd = topicEnd
    message.payloadStart = payloadStart
    message.payloadEnd = payloadEnd
    if (!matchTopic(pattern, bytes, message, message)) throw new Error('no match')
    if (!device.take(bytes, message.deviceStart, message.deviceEnd)) throw new Error('no device')
    if (rowBound(plan, message) > out.length) throw new Error('no room')
  }
  measure(`${name}: topic, device`, count, place)
  measure(`${name}: whole`, count, (i) => {
    place(i)
    if ((pattern.scalar ? decoder.scalar(message, out, 0) : decoder.json(message, out, 0)) < 0)
      throw new Error('declined')
  })
  measure(`${name}: reference`, count / 10, (i) => {
    locate(i)
    const outcome = pattern.scalar ? decodeScalar(plan, message) : decodeObject(plan, message)
    if ('reason' in outcome) throw new Error(outcome.detail)
  })
}

const reading = (i: number): string =>
  `{"ts":${NOW_MS + i},"temperature":${(20 + (i % 100) / 10).toFixed(2)},"humidity":${(40 + (i % 50) / 3).toFixed(2)},"battery":${(3 + (i % 7) / 10).toFixed(3)},"state":"closed"}`

benchmark('object', fleetDocument(), (i) => [`fleets/coldchain/reefers/device-${i}/telemetry`, reading(i)])
benchmark('scalar', scalarDocument(), (i) => [`sensors/device-${i}/temperature`, (20 + (i % 100) / 10).toFixed(2)])

const happened = (i: number): string =>
  `{"ts":${NOW_MS + i},"type":"login_failed","severity":"high","user":"user-${i}","address":"10.0.0.7","metadata":{"tries":3}}`

const benchmarkEvents = (): void => {
  const plan = compilePlan(fleetDocument())
  const { bytes, places } = layOut((i) => [`fleets/coldchain/reefers/device-${i}/events`, happened(i)])
  const message = Object.assign(emptyMessage(), { bytes, view: viewOf(bytes), arrivalMicros: NOW_MS * 1000 })
  measure('event: whole', Number(process.argv[2] ?? 500_000), (i) => {
    Object.assign(message, places[i])
    if (judge(plan, message, 200).kind !== 'event') throw new Error('no event')
  })
}

benchmarkEvents()
