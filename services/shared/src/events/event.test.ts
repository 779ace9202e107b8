import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseJson } from '../rows/json.ts'
import { isRejection } from '../rows/rejection.ts'
import { EVENT_SEVERITIES, eventOf, eventTimeField } from './event.ts'
import { readEventRows } from './read-rows.ts'
import { eventHead, eventLine } from './row.ts'

const ARRIVAL = 1_700_000_000_000_123
const payload = {
  timestampField: 'ts',
  timestampUnit: 'Milliseconds',
  acceptPastMs: 60_000,
  acceptFutureMs: 60_000,
  allowedLatenessMs: 0,
} as const
const FLEET = { installation: 'fleetloom', namespace: 'site', name: 'doors' }

const read = (text: string, rules: Parameters<typeof eventOf>[2]['payload'] = payload) => {
  const json = parseJson(text, eventTimeField(rules))
  return isRejection(json) ? json : eventOf(json.value, json, { payload: rules, arrivalMicros: ARRIVAL })
}

test('an event has a type; the rest has defaults', () => {
  assert.deepEqual(read('{"type":"opened"}'), {
    type: 'opened',
    severity: 'low',
    micros: ARRIVAL,
    timed: false,
    unknown: [],
  })
})

test('all fields, a timestamp in the unit of the fleet, null for absent', () => {
  const text =
    '{"type":"login_failed","severity":"critical","user":"é","address":null,"metadata":{"a":[1,{"b":"\\n"}]},"at":1700000000000123456,"by":1}'
  assert.deepEqual(read(text, { ...payload, timestampField: 'at', timestampUnit: 'Nanoseconds' }), {
    type: 'login_failed',
    severity: 'critical',
    user: 'é',
    metadata: '{"a":[1,{"b":"\\n"}]}',
    micros: 1_700_000_000_000_123,
    timed: true,
    unknown: ['by'],
  })
})

test('a fleet whose timestamp has the name of an event field finds it in ts', () => {
  const event = read('{"type":"a","user":"u","ts":1700000000000}', { ...payload, timestampField: 'user' })
  assert.deepEqual(isRejection(event) ? event : [event.user, event.micros], ['u', 1_700_000_000_000_000])
})

const bad: readonly (readonly [string, string, string, RegExp])[] = [
  ['{', 'malformed_json', '', /./],
  ['[1]', 'invalid_event', '', /not an object/],
  ['7', 'invalid_event', '', /not an object/],
  ['{}', 'invalid_event', 'type', /it is missing/],
  ['{"type":7}', 'invalid_event', 'type', /7 is not one/],
  ['{"type":""}', 'invalid_event', 'type', /"" is not one/],
  ['{"type":"a b"}', 'invalid_event', 'type', /"a b" is not one/],
  [`{"type":"${'a'.repeat(65)}"}`, 'invalid_event', 'type', /is not one/],
  ['{"type":"device_offline"}', 'invalid_event', 'type', /device_offline is told by the platform alone/],
  ['{"type":"device_online"}', 'invalid_event', 'type', /device_online is told by the platform alone/],
  ['{"type":"a","severity":"info"}', 'invalid_event', 'severity', /"info" is none of low, medium, high, critical/],
  ['{"type":"a","severity":{}}', 'invalid_event', 'severity', /an object/],
  ['{"type":"a","user":1}', 'invalid_event', 'user', /1 is not a text/],
  [`{"type":"a","user":"${'é'.repeat(129)}"}`, 'invalid_event', 'user', /longer than 256 bytes/],
  [`{"type":"a","address":"${'a'.repeat(257)}"}`, 'invalid_event', 'address', /longer than 256 bytes/],
  ['{"type":"a","metadata":"m"}', 'invalid_event', 'metadata', /"m" is not an object/],
  ['{"type":"a","metadata":[]}', 'invalid_event', 'metadata', /not an object/],
  [`{"type":"a","metadata":{"m":"${'m'.repeat(8_185)}"}}`, 'invalid_event', 'metadata', /larger than 8192 bytes/],
  ['{"type":"a","ts":"now"}', 'invalid_timestamp', 'ts', /"now"/],
  ['{"type":"a","ts":1699999000000}', 'timestamp_too_old', 'ts', /before it arrived/],
  ['{"type":"a","ts":1700001000000}', 'timestamp_too_new', 'ts', /after it arrived/],
]
for (const [text, reason, field, detail] of bad)
  test(`${text.slice(0, 40)} is refused: ${reason} of ${field || 'the whole'}`, () => {
    const outcome = read(text)
    assert.ok(isRejection(outcome))
    assert.deepEqual(Object.keys(outcome), ['reason', 'field', 'detail'])
    assert.deepEqual([outcome.reason, outcome.field], [reason, field])
    assert.match(outcome.detail, detail)
  })

test('metadata of exactly 8 KiB, texts of exactly 256 bytes and a type of 64 characters are taken', () => {
  const metadata = { m: 'm'.repeat(8_184) }
  const event = { type: 'a'.repeat(64), user: 'u'.repeat(256), address: 'é'.repeat(128), metadata }
  assert.equal(isRejection(read(JSON.stringify(event))), false)
})

test('metadata that is nested without end is refused, not thrown on', () => {
  const deep = `{"type":"a","metadata":{"m":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`
  assert.ok(isRejection(read(deep)))
})

const anyText = fc.string({ unit: 'binary', maxLength: 40 })
const anyEvent = fc.record(
  {
    type: fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/),
    severity: fc.constantFrom(...EVENT_SEVERITIES),
    user: anyText,
    address: anyText,
    metadata: fc.dictionary(anyText, fc.jsonValue({ maxDepth: 2 })),
    ts: fc.integer({ min: 1_699_999_950_000, max: 1_700_000_050_000 }),
  },
  { requiredKeys: ['type', 'severity'] },
)

test('a row reads back as the event it was made of, among any others', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyEvent, fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }))), (events) => {
      const head = eventHead(FLEET)
      const made = events.map(([object, digest]) => {
        const event = read(JSON.stringify(object))
        assert.ok(!isRejection(event))
        return { event, digest, line: eventLine(head, event, { device: 'door-1', digest }) }
      })
      const body = Buffer.from(made.map(({ line }) => line).join('not,ours a=1i 7\n'))
      const rows: unknown[] = []
      readEventRows(body, (row) => rows.push(row))
      const expected = made.map(({ event: { timed: _, unknown: __, ...event }, digest }) => ({
        ...{ fleet: 'doors', device: 'door-1', ...event },
        ...(event.user !== undefined && { user: event.user.toWellFormed() }),
        ...(event.address !== undefined && { address: event.address.toWellFormed() }),
        digestHigh: Number(BigInt.asIntN(32, digest >> 32n)),
        digestLow: Number(BigInt.asIntN(32, digest)),
      }))
      assert.deepEqual(rows, expected)
    }),
  )
})
