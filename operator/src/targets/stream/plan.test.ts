import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DeviceFleetInput, deviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { namesOf } from '@fleetloom/crds/names'
import { Stalling } from '../../loop/errors.ts'
import { planStream } from './plan.ts'
import { CONSUMER_SETTINGS, STREAM_SETTINGS, type StreamHave, streamWant } from './shape.ts'

const aWant = (stream: DeviceFleetInput['stream'] = {}) => {
  const spec = deviceFleetSpec.parse({
    measurements: [{ name: 't', type: 'Double' }],
    stream: { maxBytes: '1Gi', ...stream },
  })
  return streamWant({ namespace: 'cold', name: 'reefers' }, 'u1', spec, namesOf())
}
type Stream = NonNullable<StreamHave['stream']>
type Consumer = NonNullable<StreamHave['consumer']>
const aStream = (change: Partial<Stream> = {}): Stream => ({
  ...STREAM_SETTINGS,
  subjects: ['fleet.cold.reefers.>'],
  max_bytes: 1024 ** 3,
  num_replicas: 1,
  metadata: { '_nats.ver': '2.15.1', 'fleetloom.installation': 'fleetloom', 'fleetloom.uid': 'u1' },
  ...change,
})
const aConsumer = (change: Partial<Consumer> = {}): Consumer => ({
  ...CONSUMER_SETTINGS,
  filter_subject: 'fleet.cold.reefers.>',
  ackFloor: 41,
  ...change,
})
const plan = (stream: Stream | undefined, consumer: Consumer | undefined, want = aWant()) =>
  planStream(want, { stream, consumer }).map(({ message, action }) => ({ message, ...action }))

test('the same spec gives the same desired state, byte by byte', () => {
  assert.equal(JSON.stringify(aWant()), JSON.stringify(aWant()))
})

test('what is as it should be is left alone, and so is metadata of others', () => {
  assert.deepEqual(plan(aStream(), aConsumer()), [])
})

test('what is absent is made: the stream, then its consumer', () => {
  assert.deepEqual(plan(undefined, undefined), [
    { message: 'stream fleet_cold_reefers', do: 'create-stream' },
    { message: 'consumer writer of stream fleet_cold_reefers', do: 'create-consumer' },
  ])
  assert.deepEqual(
    plan(aStream(), undefined).map(({ message }) => message),
    ['consumer writer of stream fleet_cold_reefers'],
  )
})

const drift: readonly (readonly [string, Partial<Stream>, string])[] = [
  ['another size', { max_bytes: 512 * 1024 ** 2 }, 'max_bytes 536870912 → 1073741824'],
  ['discarding the oldest', { discard: 'old' }, 'discard old → new'],
  ['an age limit', { max_age: 60_000_000_000 }, 'max_age 60000000000 → 0'],
  [
    'other subjects',
    { subjects: ['fleet.cold.reefers.events'] },
    'subjects fleet.cold.reefers.events → fleet.cold.reefers.>',
  ],
  ['a message limit', { max_msgs: 10 }, 'max_msgs 10 → -1'],
]
for (const [what, change, message] of drift)
  test(`${what} is put right, with the difference`, () => {
    assert.deepEqual(plan(aStream(change), aConsumer()), [
      { message: `stream fleet_cold_reefers: ${message}`, do: 'update-stream' },
    ])
  })

test('a consumer with other settings is updated', () => {
  assert.deepEqual(plan(aStream(), aConsumer({ max_ack_pending: 5, filter_subject: '>' })), [
    {
      message:
        'consumer writer of stream fleet_cold_reefers: max_ack_pending 5 → 10000, filter_subject > → fleet.cold.reefers.>',
      do: 'update-consumer',
    },
  ])
})

test('a consumer that does not acknowledge is replaced where it stands, so nothing is skipped', () => {
  const [change] = plan(aStream(), aConsumer({ ack_policy: 'none' }))
  assert.deepEqual([change?.do, change && 'fromSequence' in change && change.fromSequence], ['replace-consumer', 42])
})

test('a stream that we did not make is refused', () => {
  assert.throws(
    () => plan(aStream({ metadata: {} }), undefined),
    (error) => error instanceof Stalling && error.reason === 'NotOwned' && /left alone/.test(error.message),
  )
})

test('a setting that the server never changes is refused with the way out', () => {
  assert.throws(
    () => plan(aStream({ retention: 'workqueue', storage: 'memory' }), aConsumer()),
    (error) =>
      error instanceof Stalling &&
      error.reason === 'Immutable' &&
      /storage memory, needs file and retention workqueue/.test(error.message),
  )
})
