import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fleetDocument, scalarDocument } from '../testing.ts'
import { FastDecoder, rowBound } from './fast.ts'
import { type Message, messageFrom } from './message.ts'
import { compilePlan, type Plan } from './plan.ts'
import { decodeObject, decodeScalar } from './reference.ts'
import { matchTopic } from './topic.ts'

const LEARNT = ['extra', 'é', 'value']
const NOW = 1_700_000_000_000_000

const messageOf = (plan: Plan, topic: string, payload: string | Uint8Array): Message => {
  const message = messageFrom(topic, Buffer.from(payload as string), NOW)
  assert.ok(plan.telemetry.some((pattern) => matchTopic(pattern, message.bytes, message, message)))
  return message
}

type Outcome = { line: string; micros: number; timed: boolean; unknown: readonly string[] }

const fast = (plan: Plan, message: Message): Outcome | undefined => {
  const decoder = new FastDecoder(plan)
  for (const name of LEARNT) decoder.learn(name)
  const out = Buffer.alloc(rowBound(plan, message))
  const end = plan.telemetry[0]?.scalar ? decoder.scalar(message, out, 0) : decoder.json(message, out, 0)
  if (end < 0) return undefined
  return { line: out.toString('utf8', 0, end), micros: decoder.micros, timed: decoder.timed, unknown: decoder.unknown }
}

const reference = (plan: Plan, message: Message) =>
  plan.telemetry[0]?.scalar ? decodeScalar(plan, message) : decodeObject(plan, message)

/** The outcome of both decoders: the fast one may decline, but where it writes they agree. */
const decode = (plan: Plan, topic: string, payload: string | Uint8Array) => {
  const message = messageOf(plan, topic, payload)
  const before = Buffer.from(message.bytes)
  const slow = reference(plan, message)
  const quick = fast(plan, message)
  if (quick !== undefined) {
    assert.ok('line' in slow, `only the fast decoder took ${payload}: ${JSON.stringify(slow)}`)
    const { unknown, ...row } = slow
    assert.deepEqual(quick, { ...row, unknown: LEARNT.filter((name) => quick.unknown.includes(name)) })
    assert.ok(quick.unknown.every((name) => unknown.includes(name)))
  }
  if ('line' in slow) assert.ok(Buffer.byteLength(slow.line) <= rowBound(plan, message))
  assert.deepEqual(message.bytes, before)
  return { ...slow, fast: quick !== undefined }
}

const plan = compilePlan(fleetDocument())
const scalarPlan = compilePlan(scalarDocument())
const TOPIC = 'fleets/coldchain/reefers/reefer-7/telemetry'

const object = (payload: string | Uint8Array) => decode(plan, TOPIC, payload)
const scalar = (measurement: string, payload: string) => decode(scalarPlan, `sensors/reefer-7/${measurement}`, payload)

test('an object becomes a row: symbols first, then the others as the schema orders them', () => {
  const outcome = object(
    '{"humidity": 55.0, "ts": 1700000000123, "state": "a b,c=d", "temperature": -0.5, "count": 3, "open": false, "note": "it\'s"}',
  )
  assert.deepEqual(outcome, {
    line: `coldchain_reefers,device=reefer-7,state=a\\ b\\,c\\=d temperature=-0.5,humidity=55,count=3i,open=f,note="it's",digest=DIGESTi 1700000000123000000\n`.replace(
      'DIGEST',
      /digest=(-?\d+)i/.exec('line' in outcome ? outcome.line : '')?.[1] ?? '',
    ),
    micros: 1_700_000_000_123_000,
    timed: true,
    unknown: [],
    fast: true,
  })
})

test('without a timestamp the time is the arrival', () => {
  const outcome = object('{"state":"on"}')
  assert.ok('line' in outcome)
  assert.match(outcome.line, /^coldchain_reefers,device=reefer-7,state=on digest=-?\d+i 1700000000000000000\n$/)
  assert.equal(outcome.timed, false)
})

test('unknown fields are named and the rest is stored; null is absent', () => {
  const outcome = object('{"temperature":1,"colour":"red","humidity":null,"x":{"ts":5}}')
  assert.ok('line' in outcome)
  assert.deepEqual(outcome.unknown, ['colour', 'x'])
  assert.match(outcome.line, /device=reefer-7 temperature=1,digest=/)
})

test('each fault has its reason, field and detail', () => {
  const faults = [
    '{"temperature":',
    '[1]',
    '3',
    '{}',
    '{"other":1}',
    '{"temperature":NaN}',
    '{"temperature":1e400}',
    '{"temperature":"4"}',
    '{"temperature":101}',
    '{"temperature":-61}',
    '{"count":1.5}',
    '{"count":9007199254740993}',
    '{"open":1}',
    '{"state":true}',
    '{"state":"a\\u0000b"}',
    `{"note":"${'x'.repeat(1025)}"}`,
    '{"temperature":1,"ts":"2026"}',
    '{"temperature":1,"ts":1600000000000}',
    '{"temperature":1,"ts":1800000000000}',
  ].map((payload) => {
    const outcome = object(payload)
    return 'reason' in outcome ? [outcome.reason, outcome.field] : outcome
  })
  assert.deepEqual(faults, [
    ['malformed_json', ''],
    ['not_an_object', ''],
    ['not_an_object', ''],
    ['no_measurement', ''],
    ['no_measurement', ''],
    ['not_finite', ''],
    ['not_finite', 'temperature'],
    ['wrong_type', 'temperature'],
    ['out_of_range', 'temperature'],
    ['out_of_range', 'temperature'],
    ['wrong_type', 'count'],
    ['wrong_type', 'count'],
    ['wrong_type', 'open'],
    ['wrong_type', 'state'],
    ['wrong_type', 'state'],
    ['wrong_type', 'note'],
    ['invalid_timestamp', 'ts'],
    ['timestamp_too_old', 'ts'],
    ['timestamp_too_new', 'ts'],
  ])
  const latin = object(Buffer.from([0x7b, 0xff, 0x7d]))
  assert.deepEqual('reason' in latin && latin.reason, 'malformed_json')
})

test('a scalar is a bare value or an object with one', () => {
  const outcomes = [
    scalar('temperature', '21.50'),
    scalar('temperature', ' {"value": 21.5, "ts": 1700000000001} '),
    scalar('state', 'half open'),
    scalar('state', '"half open"'),
    scalar('state', '42'),
    scalar('state', '{"value":"x"}'),
    scalar('open', 'true'),
    scalar('count', '7'),
  ].map((outcome) => ('line' in outcome ? outcome.line.replace(/digest=-?\d+i/, '#') : outcome.reason))
  assert.deepEqual(outcomes, [
    'coldchain_reefers,device=reefer-7 temperature=21.5,# 1700000000000000000\n',
    'coldchain_reefers,device=reefer-7 temperature=21.5,# 1700000000001000000\n',
    'coldchain_reefers,device=reefer-7,state=half\\ open # 1700000000000000000\n',
    'coldchain_reefers,device=reefer-7,state=half\\ open # 1700000000000000000\n',
    'coldchain_reefers,device=reefer-7,state=42 # 1700000000000000000\n',
    'coldchain_reefers,device=reefer-7,state=x # 1700000000000000000\n',
    'coldchain_reefers,device=reefer-7 open=t,# 1700000000000000000\n',
    'coldchain_reefers,device=reefer-7 count=7i,# 1700000000000000000\n',
  ])
})

test('faults of scalars', () => {
  const faults = [
    scalar('pressure', '1'),
    scalar('temperature', ''),
    scalar('state', ''),
    scalar('temperature', 'warm'),
    scalar('temperature', 'NaN'),
    scalar('temperature', '[1]'),
    scalar('temperature', 'null'),
    scalar('temperature', '{"v":1}'),
    scalar('state', '{broken'),
  ].map((outcome) => ('reason' in outcome ? [outcome.reason, outcome.field] : outcome))
  assert.deepEqual(faults, [
    ['unknown_measurement', 'pressure'],
    ['malformed_json', 'temperature'],
    ['malformed_json', 'state'],
    ['malformed_json', 'temperature'],
    ['not_finite', 'temperature'],
    ['wrong_type', 'temperature'],
    ['no_measurement', ''],
    ['no_measurement', ''],
    ['malformed_json', 'state'],
  ])
})

const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map(String),
  fc.stringMatching(/^-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?$/),
  fc.stringMatching(/^-?[0-9]{1,4}\.[0-9]{0,3}$/),
)
const jsonText = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => JSON.stringify(text))
const ascii = fc.string({ maxLength: 12 }).map((text) => JSON.stringify(text))
const value = fc.oneof(
  numberText,
  ascii,
  jsonText,
  fc.constantFrom('true', 'false', 'null', '[]', '{"a":1}', '-', 'tru'),
)
const key = fc.constantFrom(
  'temperature',
  'humidity',
  'battery',
  'state',
  'count',
  'open',
  'note',
  'ts',
  'tS',
  'extra',
  'é',
  'st\\u0061te',
)
const time = fc.oneof(fc.integer({ min: NOW / 1000 - 3e9, max: NOW / 1000 + 4e5 }).map(String), numberText)
const member = fc.oneof(
  fc.tuple(key, value),
  fc.tuple(fc.constantFrom('temperature', 'humidity', 'battery'), numberText),
  fc.tuple(fc.constant('ts'), time),
)
const space = fc.constantFrom('', '', '', ' ', '\n\t', '\r')
const objectText = fc
  .tuple(fc.array(member, { maxLength: 6 }), space, space, fc.constantFrom('', '', '', ',', '}', '2'))
  .map(
    ([members, a, b, junk]) =>
      `${a}{${b}${members.map(([k, v]) => `${b}"${k}"${a}:${b}${v}${a}`).join(',')}}${a}${junk}`,
  )

test('both decoders agree on objects of every kind', () => {
  fc.assert(
    fc.property(objectText, (text) => void object(text)),
    { numRuns: 3000 },
  )
})

test('both decoders agree that a repeated key counts as its last value, whatever that is', () => {
  for (const last of ['true', 'null', '"x"', '1e3', '1.5']) {
    object(`{"temperature":1,"ts":${NOW / 1000},"ts":${last}}`)
    object(`{"temperature":1,"temperature":${last}}`)
    object(`{"temperature":1,"state":"ok","state":${last}}`)
  }
})

test('both decoders agree on scalars of every kind', () => {
  const names = plan.fields.map(({ name }) => name)
  const text = fc.oneof(
    value,
    numberText,
    objectText.map((json) => json.replace(/temperature|count/g, 'value')),
  )
  fc.assert(
    fc.property(fc.constantFrom(...names), text, (name, payload) => void scalar(name, payload)),
    { numRuns: 3000 },
  )
})

test('both decoders agree on arbitrary bytes and on every unit of time', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void object(bytes)))
  for (const timestampUnit of ['Seconds', 'Microseconds', 'Nanoseconds', 'RFC3339'] as const) {
    const payload = { ...fleetDocument().payload, timestampUnit }
    const other = compilePlan(fleetDocument({ payload }))
    const text = fc.oneof(
      numberText,
      fc.constantFrom('"2023-11-14T22:13:20.5Z"', '1700000000.25', '1700000000000001', '1700000000000000999'),
    )
    fc.assert(fc.property(text, (ts) => void decode(other, TOPIC, `{"ts":${ts},"battery":1}`)))
  }
})

test('ordinary messages take the fast way', () => {
  const ordinary = [
    '{"ts":1700000000000,"temperature":21.34,"humidity":55.1,"battery":3.71,"state":"closed"}',
    '{ "temperature": 21.400000000000002, "count": 12 }\n',
    '{"open":true,"note":"fine","battery":1e0}',
  ].map((payload) => object(payload).fast)
  assert.deepEqual(ordinary, [true, true, false])
  const learnt = object('{"temperature":1,"extra":"x","é":"ü","note":"°C"}')
  assert.ok('line' in learnt)
  assert.deepEqual([learnt.fast, learnt.unknown], [true, ['extra', 'é']])
})
