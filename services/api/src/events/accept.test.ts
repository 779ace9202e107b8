import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { Problem } from '../http/problem.ts'
import { acceptEvents, MOST_EVENTS } from './accept.ts'

const ARRIVAL = 1_700_000_000_000_000
const document = {
  ...{ installation: 'fleetloom', namespace: 'site', name: 'doors' },
  payload: {
    timestampField: 'at',
    timestampUnit: 'Nanoseconds',
    acceptPastMs: 60_000,
    acceptFutureMs: 60_000,
    allowedLatenessMs: 0,
  },
} as unknown as FleetDocument

const accept = (text: string) => acceptEvents({ body: Buffer.from(text), document, arrivalMicros: ARRIVAL })

const problemOf = (text: string): Problem => {
  try {
    accept(text)
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  return assert.fail('accepted')
}

test('the timestamp is in the unit of the fleet, to the microsecond; without one it is the arrival, each its own', () => {
  const { events } = accept(
    '[{"device":"d","type":"a","at":1700000000123456789},{"device":"d","type":"a"},{"device":"d","type":"a"}]',
  )
  assert.deepEqual(
    events.map(({ micros }) => micros),
    [1_700_000_000_123_456, ARRIVAL + 1, ARRIVAL + 2],
  )
  assert.match(
    events[0]?.line ?? '',
    /^site_events,fleet=doors,device=d,type=a,severity=low digest=-?\d+i 1700000000123456000\n$/,
  )
})

test('the same body gives the same digests, each place its own', () => {
  const body = '[{"device":"d","type":"a"},{"device":"d","type":"a"}]'
  const digests = (text: string) => accept(text).events.map(({ digest }) => digest)
  assert.deepEqual(digests(body), digests(body))
  assert.equal(new Set([...digests(body), ...digests(`${body} `)]).size, 4)
})

test('every bad event is named by its place, at most twenty of them', () => {
  const { extra, status, message } = problemOf(JSON.stringify(Array(30).fill({ device: 'd' })))
  assert.equal(status, 400)
  assert.deepEqual([extra.errors?.length, extra.errors?.[19]?.field], [20, '19.type'])
  assert.match(message, /; and 10 more$/)
  assert.equal(problemOf('{"type":"a"}').extra.errors?.[0]?.field, 'device')
  assert.equal(problemOf('{"type":"a","device":"a b"}').extra.errors?.[0]?.field, 'device')
  assert.equal(problemOf('{"type":"a","device":"d","__proto__":1}').extra.errors?.[0]?.field, '__proto__')
})

test('what the platform alone tells is refused, by its field', () => {
  for (const type of ['device_online', 'device_offline'])
    assert.deepEqual(problemOf(JSON.stringify([{ device: 'd', type }])).extra.errors, [
      { field: '0.type', reason: `${type} is told by the platform alone; use another type` },
    ])
})

test('a request holds no more than a batch', () => {
  const many = JSON.stringify(Array(MOST_EVENTS + 1).fill({ device: 'd', type: 'a' }))
  assert.match(problemOf(many).message, /1001 events, and at most 1000/)
  const large = JSON.stringify(Array(70).fill({ device: 'd', type: 'a', metadata: { m: '"'.repeat(4_000) } }))
  assert.equal(problemOf(large).status, 413)
})

test('what is not JSON in UTF-8 is refused', () => {
  assert.match(problemOf('{').message, /not JSON/)
  assert.throws(
    () => acceptEvents({ body: Buffer.from([0xff]), document, arrivalMicros: ARRIVAL }),
    (error) => error instanceof Problem && /not UTF-8/.test(error.message),
  )
})
