/** A fleet is made, edited and left alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../kit/until.ts'
import {
  columnsOf,
  FILE,
  FLEET,
  manifest,
  STREAM,
  startOperatorPlatform,
  TABLE,
  tablesOf,
} from './operator-under-test.ts'

test('a manifest becomes a fleet, and the same manifest again writes nothing anywhere', async () => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack, { manifests: { [FILE]: manifest() } })
  await platform.untilReady(FLEET)
  assert.deepEqual(await columnsOf(platform, TABLE), ['ts', 'device', 'digest', 'temperature'])
  assert.deepEqual(await tablesOf(platform), [TABLE, `${TABLE}_1m`])
  assert.equal((await platform.admin.jsm.streams.info(STREAM)).config.discard, 'new')
  assert.equal((await platform.admin.jsm.consumers.info(STREAM, 'writer')).config.ack_policy, 'explicit')
  await sleep(3_000)
  const before = await platform.writes()
  const pipeline = await platform.admin.jsm.streams.info('KV_fleetloom-pipeline')
  const events = await platform.events()
  await sleep(6_500)
  assert.equal(await platform.writes(), before, 'three looks wrote nothing')
  assert.equal((await platform.admin.jsm.streams.info('KV_fleetloom-pipeline')).state.last_seq, pipeline.state.last_seq)
  assert.deepEqual(await platform.events(), events)
})

test('a measurement added has its column and rollups within 10 s while readings flow; removed it stays; another type is refused', async () => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack, { manifests: { [FILE]: manifest() } })
  await platform.untilReady(FLEET)
  const device = await platform.register(FLEET, 'r-1')
  const session = await platform.connect(device)
  stack.use(session)
  const startMs = Date.now()
  let tried = 0
  let sent = 0
  const publish = async (reading: object) => {
    const payload = JSON.stringify({ ts: startMs + tried++, ...reading })
    await session.client.publishAsync('fleets/cold/reefers/r-1/telemetry', payload, { qos: 1 })
    sent++
  }
  await until(() => publish({ temperature: 1 }).then(() => true), { what: 'the device to be let in', everyMs: 200 })
  let isFlowing = true
  const flow = (async () => {
    while (isFlowing) await publish({ temperature: sent }).then(() => sleep(20))
  })()

  const started = performance.now()
  platform.apply(FILE, manifest({ measurements: { temperature: 'Double', wind: 'Double' } }))
  await platform.untilReady(FLEET, { generation: 2, deadlineMs: 10_000 })
  assert.ok((await columnsOf(platform, TABLE)).includes('wind'))
  assert.ok((await columnsOf(platform, `${TABLE}_1m_g2`)).includes('wind_max'))
  assert.ok(performance.now() - started < 10_000)
  await publish({ temperature: 2, wind: 7 })
  isFlowing = false
  await flow

  platform.apply(FILE, manifest({ measurements: { wind: 'Double' } }))
  await platform.untilReady(FLEET, { generation: 3 })
  assert.ok((await columnsOf(platform, TABLE)).includes('temperature'), 'the column of a removed measurement stays')
  platform.apply(FILE, manifest({ measurements: { wind: 'Long' } }))
  const refused = await platform.untilSaid('Accepted', 'False Invalid')
  assert.match(refused, /type.*can not change.*add a measurement of another name/s)
  platform.apply(FILE, manifest({ measurements: { wind: 'Double', temperature: 'Double' } }))
  await platform.untilReady(FLEET, { generation: 4 })

  const rows = async () =>
    (await platform.sql<{ n: number; w: number }>(`SELECT count() n, count(wind) w FROM "${TABLE}"`))[0]
  await until(async () => (await rows())?.n === sent, {
    what: `all ${sent} readings to be in the table`,
    deadlineMs: 20_000,
  })
  assert.equal((await rows())?.w, 1)
  const dead = await platform.admin.jsm.streams.info('dead_letters', { subjects_filter: 'dead.>' })
  assert.equal(dead.state.messages, 0, 'no reading was refused')
})

test('one bad fleet does not delay another', async () => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack)
  await platform.admin.jsm.streams.add({ name: STREAM, subjects: ['somebody.else'] })
  await platform.sql(`CREATE TABLE "cold_tables" (ts TIMESTAMP, x LONG) TIMESTAMP(ts) PARTITION BY DAY WAL`)
  const good = { namespace: 'cold', name: 'good' }
  const tables = { namespace: 'cold', name: 'tables' }
  platform.apply('a.yaml', manifest())
  platform.apply('b.yaml', manifest({ fleet: tables }))
  platform.apply('c.yaml', manifest({ fleet: good }))
  await platform.untilReady(good, { deadlineMs: 15_000 })
  assert.match(await platform.untilSaid('StreamReady', 'False NotOwned'), /stream fleet_cold_reefers .*left alone/)
  assert.match(await platform.untilSaid('DatabaseReady', 'False NotOwned', tables), /cold_tables .*left alone/)
  assert.deepEqual((await platform.admin.jsm.streams.info(STREAM)).config.subjects, ['somebody.else'])
  assert.deepEqual(await columnsOf(platform, 'cold_tables'), ['ts', 'x'])
  await platform.admin.jsm.streams.delete(STREAM)
  await platform.untilReady(FLEET)

  platform.remove('b.yaml')
  await until(async () => !(await platform.fleets()).some(({ name }) => name === 'tables'), {
    what: 'the fleet to go',
    deadlineMs: 20_000,
  })
  assert.deepEqual(await columnsOf(platform, 'cold_tables'), ['ts', 'x'], 'what is not ours outlives the fleet')
})
