/** The counters of events at the api, answered by the owners of the shards over a real NATS. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import type { CountersView, ShardCounters } from '@fleetloom/shared/events/counters/answer'
import { EventCounters } from '@fleetloom/shared/events/counters/counters'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { type ApiUnderTest, fleetDocument, startApiUnderTest } from './api-under-test.ts'

const FLEET = { namespace: 'site', name: 'doors' }
const DOCUMENT = fleetDocument(FLEET)
const SHARDS = DOCUMENT.stream.telemetrySubjects.length
const PATH = '/v1/namespaces/site/fleets/doors/events'
const NOW = 1_700_000_000e6

let under: ApiUnderTest
before(async () => {
  under = await startApiUnderTest()
  await under.putFleet(DOCUMENT)
})
after(() => under[Symbol.asyncDispose]())

/** 1,000 events of 50 devices and 100 users in the last hour, in the counters of their shards. */
const counted = (): EventCounters[] => {
  const shards = Array.from({ length: SHARDS }, () => new EventCounters())
  for (const counters of shards) counters.advance(NOW)
  for (let n = 0; n < 1_000; n++) {
    const type = n % 10 === 0 ? 'login_failed' : 'opened'
    const key = { digestHigh: n, digestLow: n, micros: NOW - n * 3_500_000 }
    shards[shardOf(`door-${n % 50}`, SHARDS)]?.add({ ...key, type, user: `u${n % 100}` }, NOW)
  }
  return shards
}

const answerOf = (counters: EventCounters, shard: number, change: Partial<ShardCounters> = {}): ShardCounters => ({
  ...{ version: '1.0', uid: DOCUMENT.uid, shard, counters: counters.answer() },
  ...change,
})

/** An owner of some shards. */
const answering = (answers: readonly unknown[]): Disposable => {
  const asked: unknown[] = []
  const subscription = under.client.connection.subscribe(namesOf().askSubject(FLEET), {
    callback: (_, message) => {
      asked.push(message.json())
      for (const answer of answers) message.respond(JSON.stringify(answer))
    },
  })
  return {
    [Symbol.dispose]: () => {
      subscription.unsubscribe()
      for (const request of asked) assert.deepEqual(request, { kind: 'counters' })
    },
  }
}

test('the answers of all shards, from several owners, are one', async () => {
  const answers = counted().map((counters, shard) => answerOf(counters, shard))
  const stale = { ...answerOf(new EventCounters(), 1) }
  using _one = answering([answers[0], answerOf(new EventCounters(), 1, { uid: 'another' }), answers[1], stale])
  using _two = answering(['nonsense', { shard: 0 }, answerOf(new EventCounters(), 99), answers[2], answers[3]])
  await under.client.connection.flush()
  const { status, body } = await under.send<CountersView>('GET', `${PATH}/counters`)
  assert.equal(status, 200)
  const view = (count: number, users: number, failed: number) => ({
    ...{ count, users, other: 0 },
    types: [
      { type: 'opened', count: count - failed },
      { type: 'login_failed', count: failed },
    ],
  })
  assert.deepEqual(body, {
    asOf: new Date(NOW / 1000).toISOString(),
    total: view(1_000, 100, 100),
    late: 0,
    windows: {
      '1m': { ...view(17, 17, 2), perSecond: 17 / 60 },
      '5m': { ...view(85, 85, 9), perSecond: 85 / 300 },
      '1h': { ...view(1_000, 100, 100), perSecond: 1_000 / 3_600 },
      '24h': { ...view(1_000, 100, 100), perSecond: 1_000 / 86_400 },
    },
  })
})

test('while nobody, or not every owner, answers there are no counts, and the problem says whose are missing', async () => {
  const none = await under.send('GET', `${PATH}/counters`)
  assert.equal(none.status, 503)
  assert.match(String(none.body.detail), /nobody answered for shard 0, 1, 2, 3 of fleet site\/doors/)
  using _ = answering([answerOf(new EventCounters(), 0), answerOf(new EventCounters(), 2)])
  await under.client.connection.flush()
  const some = await under.send('GET', `${PATH}/counters`)
  assert.equal(some.status, 503)
  assert.match(String(some.body.detail), /nobody answered for shard 1, 3 of/)
  assert.equal(some.headers.get('content-type'), 'application/problem+json')
})

test('without a database events are not shown, and the problem says what to set', async () => {
  const { status, body } = await under.send('GET', PATH)
  assert.deepEqual([status, body.detail], [503, 'the api knows of no database'])
  assert.match(String(body.next), /QUESTDB_URL/)
})

test('a fleet that is not there has no counters, and one without a stream takes no events', async () => {
  assert.equal((await under.send('GET', '/v1/namespaces/site/fleets/none/events/counters')).status, 404)
  await under.send('POST', '/v1/namespaces/site/fleets/doors/devices', { body: { device: 'door-1' } })
  const { status, body } = await under.send('POST', PATH, { body: { device: 'door-1', type: 'opened' } })
  assert.deepEqual([status, body.type], [503, 'urn:fleetloom:problem:unavailable'])
})
