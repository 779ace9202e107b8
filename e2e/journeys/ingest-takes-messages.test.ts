import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../kit/until.ts'
import { batchesOf, rowsOf, startIngestUnderTest } from './ingest-under-test.ts'

const REEFERS = { namespace: 'coldchain', name: 'reefers' }

test('a message becomes a row on the stream; a change of the fleet needs no new connection', async () => {
  await using under = await startIngestUnderTest()
  const ingest = await under.startIngest('ingest-0', { PROBE_MS: '200' })
  const document = await under.makeFleet(REEFERS)
  await under.untilSubscribed(document)
  await using device = await under.user('coldchain.reefer-7', ['fleets/coldchain/reefers/reefer-7/#'])
  const ts = Date.now()
  const publish = (payload: string, topic = 'fleets/coldchain/reefers/reefer-7/telemetry') =>
    device.client.publishAsync(topic, payload, { qos: 1 })
  await publish(`{"ts":${ts},"temperature":4.50,"state":"closed"}`)
  const rows = await until(
    async () => ((await rowsOf(under, document)).length > 0 ? rowsOf(under, document) : undefined),
    {
      what: 'the row',
    },
  )
  assert.match(
    rows[0] ?? '',
    new RegExp(`^coldchain_reefers,device=reefer-7,state=closed temperature=4.5,digest=-?\\d+i ${ts}000000$`),
  )

  const changed = {
    ...document,
    generation: 2,
    topics: { ...document.topics, telemetry: [...document.topics.telemetry, 'sensors/{device}/{measurement}'] },
    measurements: [...document.measurements, { name: 'door', type: 'Boolean' as const }],
  }
  await under.putDocument(changed)
  await under.untilSubscribed(changed)
  await using sensor = await under.user('coldchain.sensor-1', ['sensors/sensor-1/#'])
  await sensor.client.publishAsync('sensors/sensor-1/door', 'true', { qos: 1 })
  await publish(`{"door":false}`)
  await until(async () => (await rowsOf(under, document)).length === 3, { what: 'two more rows' })
  const later = (await batchesOf(under, document)).filter(({ info }) => info.generation === 2 && info.rows > 0)
  assert.deepEqual(
    later
      .flatMap((batch) => batch.rows)
      .map((row) => row.replace(/digest.*/, ''))
      .sort(),
    ['coldchain_reefers,device=reefer-7 door=f,', 'coldchain_reefers,device=sensor-1 door=t,'],
  )
  await until(
    async () => (await batchesOf(under, document)).filter(({ info }) => (info.progressMs ?? 0) > ts).length >= 4,
    { what: 'a progress mark in every shard' },
  )
  const text = await (await fetch(`${ingest.url}/metrics`)).text()
  assert.match(text, /fleetloom_ingest_connections_lost_total\{[^}]*\} 0/)
})
