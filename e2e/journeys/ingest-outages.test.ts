import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { MOST_IN_A_READ } from '@fleetloom/ingest/mqtt/read-buffer'
import type { Load } from '@fleetloom/simulator/load/load'
import { until } from '../kit/until.ts'
import { prepareLoad, untilComplete } from './ingest-load.ts'
import { type Ingest, metric, rowsOf, startIngestUnderTest } from './ingest-under-test.ts'

const OBJECTS = { namespace: 'outage', name: 'objects' }
const BARE = { namespace: 'outage', name: 'bare' }
const BARE_TOPICS = {
  topics: { telemetry: ['bare/{device}/{measurement}'], events: [], errors: 'fleets/outage/bare/{device}/errors' },
}
const RECEIVE_MAXIMUM = 1024

/** Resident memory in MB. */
const rssOf = ({ pid }: Ingest): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

const acknowledged = (loads: readonly Load[], count: number) =>
  until(() => loads.every((load) => load.stats().acknowledged >= count), {
    what: `${count} messages`,
    deadlineMs: 30_000,
  })

test('ingest killed again and again loses nothing; only readings without a time may stand twice', {
  timeout: 120_000,
}, async () => {
  await using under = await startIngestUnderTest()
  const ingest = await under.startIngest('ingest-0', { MQTT_RECEIVE_MAXIMUM: String(RECEIVE_MAXIMUM) })
  const [objects, bare] = [await under.makeFleet(OBJECTS), await under.makeFleet(BARE, BARE_TOPICS)]
  await under.untilSubscribed(objects)
  await under.untilSubscribed(bare)
  const starts = [await prepareLoad(under, objects), await prepareLoad(under, bare)]
  const loads = await Promise.all(starts.map((start) => start({ rate: 3_000 })))
  const kills = 3
  for (let i = 1; i <= kills; i++) {
    await acknowledged(loads, i * 3_000)
    await ingest.kill()
    await ingest.start()
  }
  await acknowledged(loads, (kills + 1) * 3_000)
  const [objectsSent, bareSent] = await Promise.all(loads.map((load) => load.stop()))
  assert.ok(objectsSent && bareSent)
  assert.deepEqual(await untilComplete(under, objects, objectsSent), { missing: 0, duplicates: 0, reordered: 0 })
  const { missing, duplicates, reordered } = await untilComplete(under, bare, bareSent)
  assert.deepEqual([missing, reordered], [0, 0])
  assert.ok(duplicates <= kills * (RECEIVE_MAXIMUM + MOST_IN_A_READ), `${duplicates} duplicates`)
  const isTold = async () => (await under.applied(BARE))?.observed.some(({ type }) => type === 'DuplicatesPossible')
  if (duplicates > 0) await until(isTold, { what: 'the duplicates to be reported' })
})

test('nats-server and Mosquitto go and come back: nothing is lost, nothing stands twice', {
  timeout: 120_000,
}, async () => {
  await using under = await startIngestUnderTest()
  const ingest = await under.startIngest('ingest-0')
  const objects = await under.makeFleet(OBJECTS)
  await under.untilSubscribed(objects)
  const start = await prepareLoad(under, objects)
  const load = await start({ rate: 3_000 })
  await acknowledged([load], 3_000)
  await under.nats.kill()
  await acknowledged([load], 20_000)
  await under.nats.start()
  await until(async () => (await rowsOf(under, objects)).length > 15_000, { what: 'rows again', deadlineMs: 30_000 })
  await under.mosquitto.kill('SIGTERM')
  await under.mosquitto.start()
  await acknowledged([load], 30_000)
  const result = await load.stop()
  assert.deepEqual(await untilComplete(under, objects, result), { missing: 0, duplicates: 0, reordered: 0 })
  assert.ok(rssOf(ingest) < 200, `ingest holds ${rssOf(ingest)} MB`)
})

test('a full stream holds back its own fleet only, says so, and goes on when there is room', {
  timeout: 120_000,
}, async () => {
  await using under = await startIngestUnderTest()
  const ingest = await under.startIngest('ingest-0', { PROBE_MS: '500' })
  const small = { ...(await under.makeFleet(BARE, BARE_TOPICS)) }
  await under.client.jsm.streams.update(small.stream.name, { max_bytes: 256 * 1024 })
  const objects = await under.makeFleet(OBJECTS)
  await under.untilSubscribed(small)
  await under.untilSubscribed(objects)
  const full = await (await prepareLoad(under, small))({ rate: 2_000, count: 20_000 })
  await until(async () => (await metric(ingest, 'fleetloom_ingest_publish_faults_total')) > 0, {
    what: 'a full stream',
  })
  const other = await (await prepareLoad(under, objects))({ rate: 4_000, count: 20_000 })
  const others = await other.done
  assert.deepEqual(await untilComplete(under, objects, others), { missing: 0, duplicates: 0, reordered: 0 })
  const fulls = await full.done
  const before = (await rowsOf(under, small)).length
  assert.ok(before < 15_000, `${before} rows fit`)
  await until(async () => (await under.applied(BARE))?.observed.some(({ type }) => type === 'Backlogged'), {
    what: 'the backlog to be reported',
    deadlineMs: 20_000,
  })
  assert.ok((await metric(ingest, 'fleetloom_ingest_session_lag_seconds')) > 5)
  await under.client.jsm.streams.update(small.stream.name, { max_bytes: 64 * 1024 ** 2 })
  assert.deepEqual(await untilComplete(under, small, fulls), { missing: 0, duplicates: 0, reordered: 0 })
  await until(async () => (await metric(ingest, 'fleetloom_ingest_session_lag_seconds')) < 2, { what: 'no more lag' })
})
