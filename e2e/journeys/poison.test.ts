/** Nothing that a device can send stops the messages around it: each is stored right, or set aside with its reason and its bytes. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { type DeadLetter, deadLetterHeaders, KEPT_BYTES } from '@fleetloom/shared/dead-letters/dead-letter'
import { DRY_RUN_HEADER, replayOutcome } from '@fleetloom/shared/dead-letters/replay'
import { batchInfo } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { MqttSession } from '../kit/mqtt.ts'
import { until } from '../kit/until.ts'
import {
  type IngestUnderTest,
  lettersOf,
  rowsOf,
  type StoredLetter,
  startIngestUnderTest,
} from './ingest-under-test.ts'

const FLEET = { namespace: 'poison', name: 'things' }
const SCALARS = { namespace: 'poison', name: 'scalars' }

let under: IngestUnderTest
let document: FleetDocument
let scalars: FleetDocument
let sender: MqttSession
let good = 0

const topicOf = (device: string): string => `fleets/poison/things/${device}/telemetry`
const send = (topic: string, payload: string | Buffer) =>
  sender.client.publishAsync(topic, payload as Buffer, { qos: 1 })

const letters = async (): Promise<StoredLetter[]> => lettersOf(under)
const forTopic = (all: readonly StoredLetter[], topic: string) => all.filter(({ head }) => head.topic === topic)

before(async () => {
  under = await startIngestUnderTest()
  await under.startIngest('ingest-0')
  document = await under.makeFleet(FLEET)
  scalars = await under.makeFleet(SCALARS, {
    topics: {
      telemetry: ['sensors/{device}/{measurement}'],
      events: [],
      errors: 'fleets/poison/scalars/{device}/errors',
    },
  })
  await under.untilSubscribed(document)
  await under.untilSubscribed(scalars)
  sender = await under.user('poison.sender', ['fleets/poison/#', 'sensors/#'])
})

after(async () => {
  await sender?.[Symbol.asyncDispose]()
  await under?.[Symbol.asyncDispose]()
})

/** Sends each payload between two good ones and returns its dead letter's reason and field. */
const reasons = async (device: string, payloads: readonly (string | Buffer)[]): Promise<[string, string][]> => {
  const seen = (await letters()).length
  for (const payload of payloads) {
    await send(topicOf(device), payload)
    await send(topicOf('good'), `{"battery":${good++}}`)
  }
  const all = await until(
    async () => {
      const now = await letters()
      return now.length >= seen + payloads.length ? now.slice(seen) : undefined
    },
    { what: `${payloads.length} dead letters` },
  )
  payloads.forEach((payload, i) => {
    const letter = all[i] as StoredLetter
    const bytes = Buffer.from(payload as string)
    assert.deepEqual(letter.body, bytes)
    assert.equal(letter.head.payloadSha256, createHash('sha256').update(bytes).digest('hex'))
    assert.deepEqual([letter.head.device, letter.head.topic, letter.head.stage], [device, topicOf(device), 'mqtt'])
  })
  return all.map(({ head }) => [head.reason, head.field])
}

test('payloads that are no reading are set aside with their reason and their bytes', async () => {
  const nowMs = Date.now()
  const day = 86_400_000
  const table: readonly (readonly [payload: string | Buffer, reason: string, field: string])[] = [
    ['{"temperature":', 'malformed_json', ''],
    ['{"temperature":1}{"temperature":2}', 'malformed_json', ''],
    ['', 'malformed_json', ''],
    [Buffer.from([0xff, 0x00, 0xfe]), 'malformed_json', ''],
    ['"text"', 'not_an_object', ''],
    ['[{"temperature":1}]', 'not_an_object', ''],
    ['null', 'not_an_object', ''],
    ['{}', 'no_measurement', ''],
    ['{"pressure":1}', 'no_measurement', ''],
    ['{"temperature":"4.5"}', 'wrong_type', 'temperature'],
    ['{"temperature":{"value":4.5}}', 'wrong_type', 'temperature'],
    ['{"state":4}', 'wrong_type', 'state'],
    ['{"temperature":NaN}', 'not_finite', ''],
    ['{"temperature":-Infinity}', 'not_finite', ''],
    ['{"temperature":1e400}', 'not_finite', 'temperature'],
    ['{"temperature":100.1}', 'out_of_range', 'temperature'],
    ['{"temperature":-60.5,"humidity":1}', 'out_of_range', 'temperature'],
    ['{"temperature":1,"ts":"yesterday"}', 'invalid_timestamp', 'ts'],
    ['{"temperature":1,"ts":1e300}', 'invalid_timestamp', 'ts'],
    [`{"temperature":1,"ts":${nowMs - day - 5_000}}`, 'timestamp_too_old', 'ts'],
    ['{"temperature":1,"ts":0}', 'timestamp_too_old', 'ts'],
    ['{"temperature":1,"ts":-1}', 'timestamp_too_old', 'ts'],
    [`{"temperature":1,"ts":${nowMs + 400_000}}`, 'timestamp_too_new', 'ts'],
    [`{"temperature":1,"x":"${'x'.repeat(16_400)}"}`, 'payload_too_large', ''],
  ]
  const seen = await reasons(
    'p-1',
    table.map(([payload]) => payload),
  )
  assert.deepEqual(
    seen,
    table.map(([, reason, field]) => [reason, field]),
  )
})

test('a payload of 1 MiB is set aside; beyond what the stream takes, as its beginning and its hash', async () => {
  const whole = Buffer.alloc(900_000, 'a')
  const larger = Buffer.alloc(1_048_576 - 100, 'b')
  await send(topicOf('big'), whole)
  await send(topicOf('good'), `{"battery":${good++}}`)
  await send(topicOf('big'), larger)
  await send(topicOf('good'), `{"battery":${good++}}`)
  const found = await until(
    async () => {
      const mine = forTopic(await letters(), topicOf('big'))
      return mine.length === 2 ? mine : undefined
    },
    { what: 'both letters' },
  )
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  assert.deepEqual(
    found.map(({ head, body }) => [head.reason, body.length, head.payloadBytes, head.payloadSha256]),
    [
      ['payload_too_large', whole.length, whole.length, digest(whole)],
      ['payload_too_large', KEPT_BYTES, larger.length, digest(larger)],
    ],
  )
})

test('odd device ids are set aside, those that are ids are stored', async () => {
  const odd = [
    'a b',
    'a,b',
    'a=b',
    'a"b',
    "a'b",
    'a\\b',
    'é',
    '😀',
    '.a',
    '-a',
    'x'.repeat(129),
    'x'.repeat(256),
    '{a}',
  ]
  const fine = ['0', 'A.b_c-9', 'x'.repeat(128)]
  for (const device of [...odd, ...fine]) {
    await send(topicOf(device), '{"humidity":77}')
    await send(topicOf('good'), `{"battery":${good++}}`)
  }
  const found = await until(
    async () => {
      const mine = (await letters()).filter(({ head }) => head.reason === 'invalid_device')
      return mine.length >= odd.length ? mine : undefined
    },
    { what: 'a letter for each' },
  )
  assert.deepEqual(
    found.map(({ head, body }) => [head.device, head.topic, body.toString()]),
    odd.map((device) => [device, topicOf(device), '{"humidity":77}']),
  )
  const stored = async () =>
    (await rowsOf(under, document))
      .filter((row) => row.includes('humidity=77'))
      .map((row) => /device=([^ ]*)/.exec(row)?.[1])
      .sort()
  const devices = await until(() => stored().then((all) => all.length >= fine.length && all), { what: 'the rows' })
  assert.deepEqual(devices, fine.toSorted())
})

test('a device id with a control character ends the connection at the broker; ingest would set it aside', async () => {
  for (const device of ['a\nb', 'a\tb']) {
    await using intruder = await under.user('poison.intruder', ['fleets/poison/#'])
    const closed = new Promise<void>((resolve) => intruder.client.once('close', () => resolve()))
    intruder.client.publish(topicOf(device), '{"humidity":1}', { qos: 1 }, () => undefined)
    await closed
    const head: DeadLetter = {
      ...{ fleet: FLEET, uid: document.uid, generation: 1, device, topic: topicOf(device), stage: 'mqtt' },
      ...{
        reason: 'invalid_device',
        field: '',
        detail: '',
        arrivalMs: Date.now(),
        payloadBytes: 14,
        payloadSha256: '',
      },
    }
    const answer = await under.client.connection.request(namesOf().replaySubject(FLEET), '{"humidity":1}', {
      headers: deadLetterHeaders(head),
      timeout: 5_000,
    })
    assert.equal(replayOutcome.parse(answer.json()).reason, 'invalid_device')
  }
})

test('a scalar of an undeclared measurement is set aside; the device hears why, once in a while', async () => {
  const heard: string[] = []
  await sender.client.subscribeAsync('fleets/poison/scalars/+/errors', { qos: 0 })
  sender.client.on('message', (topic, payload) => void heard.push(`${topic} ${payload}`))
  for (let i = 0; i < 5; i++) await send('sensors/s-1/pressure', '1')
  await send('sensors/s-1/temperature', '21.5')
  await until(async () => (await rowsOf(under, scalars)).length === 1, { what: 'the good row' })
  const found = await until(
    async () => {
      const mine = forTopic(await letters(), 'sensors/s-1/pressure')
      return mine.length >= 5 ? mine : undefined
    },
    { what: 'five letters' },
  )
  assert.deepEqual(
    found.map(({ head }) => [head.reason, head.field]),
    new Array(5).fill(['unknown_measurement', 'pressure']),
  )
  await until(() => heard.length > 0, { what: 'the word to the device' })
  const [topic, ...rest] = (heard[0] as string).split(' ')
  const { at, detail, hint, ...word } = JSON.parse(rest.join(' ')) as Record<string, string>
  assert.equal(topic, 'fleets/poison/scalars/s-1/errors')
  assert.deepEqual(word, { reason: 'unknown_measurement', field: 'pressure', topic: 'sensors/s-1/pressure' })
  assert.ok(detail && hint && Date.now() - Date.parse(at as string) < 60_000)
  assert.equal(heard.length, 1)
})

test('a dead letter is replayed once the fleet declares what it lacked, and twice is once', async () => {
  const [letter] = forTopic(await letters(), 'sensors/s-1/pressure')
  assert.ok(letter)
  const replay = async (dryRun: boolean) => {
    const headers = deadLetterHeaders(letter.head)
    if (dryRun) headers.set(DRY_RUN_HEADER, 'true')
    const answer = await under.client.connection.request(namesOf().replaySubject(SCALARS), letter.body, {
      headers,
      timeout: 5_000,
    })
    return replayOutcome.parse(answer.json())
  }
  const first = await replay(false)
  assert.deepEqual([first.outcome, first.reason, first.field], ['rejected', 'unknown_measurement', 'pressure'])
  const changed: FleetDocument = {
    ...scalars,
    generation: 2,
    measurements: [...scalars.measurements, { name: 'pressure', type: 'Double' }],
  }
  await under.putDocument(changed)
  await under.untilSubscribed(changed)
  assert.deepEqual(await replay(true), { outcome: 'would_store' })
  assert.deepEqual(await replay(false), { outcome: 'stored' })
  assert.deepEqual(await replay(false), { outcome: 'stored' })
  const rows = (await rowsOf(under, scalars)).filter((row) => row.includes('pressure'))
  assert.equal(rows.length, 2)
  assert.equal(rows[0], rows[1])
  assert.match(rows[0] as string, new RegExp(` ${letter.head.arrivalMs}000000$`))
})

test('an event becomes a row of the events table, and each that is none is set aside with its reason', async () => {
  const events = 'fleets/poison/things/e-1/events'
  const bad: readonly (readonly [string, string, string])[] = [
    ['{"type":"door","severity":"info"}', 'invalid_event', 'severity'],
    ['{"severity":"low"}', 'invalid_event', 'type'],
    ['{"type":"door","metadata":[1]}', 'invalid_event', 'metadata'],
    [`{"type":"door","user":"${'u'.repeat(257)}"}`, 'invalid_event', 'user'],
    ['{"type":"door","ts":1}', 'timestamp_too_old', 'ts'],
    ['{"type":"door"', 'malformed_json', ''],
  ]
  const ts = Date.now()
  for (const [payload] of bad) await send(events, payload)
  await send(events, JSON.stringify({ type: 'door.open', severity: 'high', user: 'é "x"', metadata: { n: 1 }, ts }))
  const stored = await until(
    () =>
      under.client.jsm.streams
        .getMessage(document.stream.name, { last_by_subj: document.stream.eventsSubject })
        .then((message) => message ?? undefined),
    { what: 'the event' },
  )
  assert.equal(
    Buffer.from(stored.data)
      .toString()
      .replace(/digest=-?\d+i/, 'digest=Di'),
    `poison_events,fleet=things,device=e-1,type=door.open,severity=high user="é \\"x\\"",metadata="{\\"n\\":1}",digest=Di ${ts}000000\n`,
  )
  assert.deepEqual(batchInfo(stored.header), {
    rows: 1,
    firstMicros: ts * 1000,
    lastMicros: ts * 1000,
    uid: document.uid,
    generation: document.generation,
    traceLinks: [],
  })
  const found = await until(
    async () => {
      const mine = forTopic(await letters(), events)
      return mine.length >= bad.length ? mine : undefined
    },
    { what: 'the letters' },
  )
  assert.deepEqual(
    found.map(({ head, body }) => [body.toString(), head.reason, head.field]),
    bad,
  )
})

test('every good message around them is on the stream, once', async () => {
  const batteries = await until(
    async () => {
      const rows = (await rowsOf(under, document)).filter((row) => row.includes('device=good '))
      return rows.length >= good ? rows.map((row) => Number(/battery=(\d+)/.exec(row)?.[1])) : undefined
    },
    { what: `${good} good rows` },
  )
  assert.deepEqual(
    batteries,
    Array.from({ length: good }, (_, i) => i),
  )
})
