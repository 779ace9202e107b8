/** kubectl apply, and everything follows: the life of fleets on a real API server, with every other server real too. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { fleetYaml, type KubePlatform, startKubePlatform } from '../cluster/kube-platform.ts'
import { until } from '../kit/until.ts'
import { ROOT } from '../tools/paths.ts'

const REEFERS = { namespace: 'coldchain', name: 'reefers' }
const SHARED = [{ prefix: 'sensors/', namespace: 'coldchain' }]

let kube: KubePlatform
let nats: Nats

const kubectl = (...args: string[]) => kube.kubernetes.kubectl(args)

const example = (file: string): string => readFileSync(join(ROOT, 'crds/examples', file), 'utf8')

before(async () => {
  const platform = { sharedPrefixes: ['sensors/=coldchain'] }
  kube = await startKubePlatform({ values: { sharedPrefixes: SHARED }, platform })
  nats = await connectNats('test', kube.platform.nats.settings())
  await kubectl('create', 'namespace', 'coldchain')
})

after(async () => {
  await nats[Symbol.asyncDispose]()
  await kube[Symbol.asyncDispose]()
})

test('an example is applied, waited for, shown, and takes readings', async () => {
  await kube.kubernetes.apply(example('reefers.yaml'))
  await kubectl('wait', '--for=condition=Ready', 'df/reefers', '-n', 'coldchain', '--timeout=30s')
  const { platform } = kube
  const device = await platform.register(REEFERS, 'r-1')
  await using session = await platform.connect(device)
  await session.client.publishAsync('fleets/coldchain/reefers/r-1/telemetry', '{"temperature": 4.5}', { qos: 1 })
  await until(async () => (await platform.sql('select * from coldchain_reefers')).length === 1, { what: 'the row' })
  const columns =
    /^NAMESPACE +NAME +READY +REASON +DEVICES +ONLINE +AGE\ncoldchain +\S*reefers +True +Converged +1 +1 +[\dms]+\n/
  await until(async () => columns.test(await kubectl('get', 'fleetloom', '--all-namespaces')), {
    what: 'the device to be counted, registered and online',
  })
  for (const made of ['table coldchain_reefers', 'stream fleet_coldchain_reefers'])
    await kube.untilTold(REEFERS, new RegExp(`Created: .*${made}(;|$)`))
})

test('an unchanged fleet is written to nowhere, not even by an operator that starts anew', async () => {
  const { operator } = kube.platform
  const state = async () => ({
    fleet: (await kube.kubernetes.fleet(REEFERS)).metadata.resourceVersion,
    buckets: await Promise.all(
      ['KV_fleetloom-pipeline', 'KV_fleetloom-devices', 'dead_letters'].map(
        async (name) => (await nats.jsm.streams.info(name)).state.last_seq,
      ),
    ),
    stream: (await nats.jsm.streams.info('fleet_coldchain_reefers')).config,
    tables: await kube.platform.sql('select name, sequencerTxn from wal_tables() order by 1'),
  })
  const writes = () => kube.metric('fleetloom_operator_external_writes_total')
  const looks = () => kube.metric('fleetloom_operator_reconcile_duration_seconds_count')
  const quiet = async () => {
    const [wrote, looked] = [await writes(), await looks()]
    await until(async () => (await looks()) >= looked + 4, { what: 'four more reconciles' })
    return (await writes()) === wrote
  }
  await until(quiet, { what: 'the operator to come to rest', deadlineMs: 60_000 })
  const before = await state()
  assert.ok(await quiet())
  await operator.kill('SIGTERM')
  await operator.start()
  await until(async () => (await looks()) >= 4, { what: 'four reconciles' })
  assert.equal(await writes(), 0)
  assert.deepEqual(await state(), before)
})

test('what can not change is refused, with the way out; what can is in place at once', async () => {
  const patch = (spec: object) =>
    kubectl('patch', 'df', 'reefers', '-n', 'coldchain', '--type=merge', '-p', JSON.stringify({ spec }))
  await assert.rejects(
    patch({ storage: { partitionBy: 'Hour' } }),
    /storage\.partitionBy: Invalid value: .*a fleet of another name/,
  )
  await assert.rejects(patch({ stream: { shards: 8 } }), /stream\.shards: Invalid value/)
  const { spec } = await kube.kubernetes.fleet(REEFERS)
  await patch({ measurements: [...(spec.measurements as object[]), { name: 'lux', type: 'Double' }] })
  await kube.untilReady(REEFERS)
  const columns = await kube.platform.sql('show columns from coldchain_reefers')
  assert.ok(columns.some(({ column }) => column === 'lux'))
})

test('a suspended fleet is left as it is', async () => {
  const patch = (suspend: boolean) =>
    kubectl('patch', 'df', 'reefers', '-n', 'coldchain', '--type=merge', '-p', JSON.stringify({ spec: { suspend } }))
  await patch(true)
  await kube.untilSays(REEFERS, /^Ready=False Suspended/)
  await patch(false)
  await kube.untilReady(REEFERS)
})

test('what is changed by hand is put right, with the difference in an event, and counted', async () => {
  const { sql } = kube.platform
  const before = await kube.metric('fleetloom_operator_repairs_total')
  await sql('ALTER TABLE coldchain_reefers SET TTL 2 DAYS')
  await kube.untilTold(REEFERS, /Repaired: database: .*ttl 48h → 720h/)
  await nats.jsm.consumers.delete('fleet_coldchain_reefers', 'writer')
  await kube.untilTold(REEFERS, /Repaired: .*consumer writer of stream fleet_coldchain_reefers/)
  await nats.jsm.streams.delete('fleet_coldchain_reefers')
  await kube.untilTold(REEFERS, /Repaired: stream: stream fleet_coldchain_reefers/)
  const kv = await nats.bucket('fleetloom-pipeline')
  await kv.delete('fleet.coldchain.reefers')
  await until(async () => (await kv.get('fleet.coldchain.reefers'))?.operation === 'PUT', { what: 'the document' })
  await kube.untilReady(REEFERS)
  assert.ok((await kube.metric('fleetloom_operator_repairs_total')) >= before + 4)
})

test('the buckets are deleted by hand: what they held is said again, and readings flow', async () => {
  const device = await kube.platform.register(REEFERS, 'after-the-buckets')
  for (const bucket of ['fleetloom-pipeline', 'fleetloom-applied']) await nats.jsm.streams.delete(`KV_${bucket}`)
  const held = (bucket: string, key: string) =>
    nats.jsm.streams.getMessage(`KV_${bucket}`, { last_by_subj: `$KV.${bucket}.${key}` }).catch(() => null)
  const isSaid = async () =>
    (await held('fleetloom-pipeline', 'fleet.coldchain.reefers')) !== null &&
    (await held('fleetloom-applied', 'ingest.coldchain.reefers.0')) !== null
  await until(isSaid, { what: 'the document and the report', deadlineMs: 60_000 })
  await kube.untilReady(REEFERS, 60_000)
  await using session = await kube.platform.connect(device)
  const topic = 'fleets/coldchain/reefers/after-the-buckets/telemetry'
  await session.client.publishAsync(topic, '{"temperature": 4}', { qos: 1 })
  const rows = () => kube.platform.sql("select * from coldchain_reefers where device = 'after-the-buckets'")
  await until(async () => (await rows()).length === 1, { what: 'the reading', deadlineMs: 60_000 })
})

test('a stream or a table of another maker is refused and left alone', async () => {
  await kube.platform.sql('create table coldchain_foreign (ts timestamp, v double) timestamp(ts) partition by day wal')
  await nats.jsm.streams.add({ name: 'fleet_coldchain_alien', subjects: ['alien'] })
  const alien = { namespace: 'coldchain', name: 'alien' }
  const foreign = { namespace: 'coldchain', name: 'foreign' }
  await kube.kubernetes.apply(fleetYaml(alien))
  await kube.kubernetes.apply(fleetYaml(foreign))
  await kube.untilSays(alien, /^StreamReady=False NotOwned: .*fleet_coldchain_alien/)
  await kube.untilSays(foreign, /^DatabaseReady=False NotOwned: .*coldchain_foreign/)
  await kubectl('delete', 'df', 'alien', 'foreign', '-n', 'coldchain', '--timeout=60s')
  assert.deepEqual((await nats.jsm.streams.info('fleet_coldchain_alien')).config.subjects, ['alien'])
  assert.deepEqual(await kube.platform.sql('select count() n from coldchain_foreign'), [{ n: 0 }])
})

test('a fleet waits for topics that another has, and takes them over when it goes', async () => {
  const topics = { topics: { telemetry: ['sensors/{device}/{measurement}'] } }
  const first = { namespace: 'coldchain', name: 'rooms' }
  const second = { namespace: 'coldchain', name: 'halls' }
  await kube.kubernetes.apply(fleetYaml(first, topics))
  await kube.untilReady(first)
  await kube.kubernetes.apply(fleetYaml(second, topics))
  await kube.untilSays(second, /^Accepted=False TopicConflict: .*coldchain\/rooms/)
  await kubectl('delete', 'df', 'rooms', '-n', 'coldchain', '--timeout=60s')
  await kube.untilReady(second)
  await kubectl('delete', 'df', 'halls', '-n', 'coldchain', '--timeout=60s')
})

test('a broker that is away holds back nothing but what needs it; each back-end that comes back is enough', async () => {
  const { mosquitto, questdb, nats: server } = kube.platform
  const fleet = { namespace: 'coldchain', name: 'meanwhile' }
  await mosquitto.kill()
  await kube.kubernetes.apply(fleetYaml(fleet))
  await kube.untilSays(fleet, /^StreamReady=True/)
  await kube.untilSays(fleet, /^DatabaseReady=True/)
  await kube.untilSays(fleet, /^BrokerReady=False Unreachable/)
  await mosquitto.start()
  await kube.untilReady(fleet, 60_000)
  for (const [i, backEnd] of [questdb, server].entries()) {
    await backEnd.kill()
    await kube.kubernetes.apply(fleetYaml(fleet, { limits: { messagesPerSecond: 100 + i } }))
    await kube.untilSays(fleet, /^Ready=False Unreachable/, 30_000)
    await backEnd.start()
    await kube.untilReady(fleet, 60_000)
  }
  await kubectl('delete', 'df', fleet.name, '-n', 'coldchain', '--timeout=60s')
})

test('a fleet that can not be brought about delays no other', async () => {
  const bad = { namespace: 'coldchain', name: 'bad' }
  await kube.platform.sql('create table coldchain_bad (ts timestamp, v double) timestamp(ts) partition by day wal')
  await kube.kubernetes.apply(fleetYaml(bad))
  await kube.untilSays(bad, /^DatabaseReady=False NotOwned/)
  const startMs = performance.now()
  const good = { namespace: 'coldchain', name: 'good' }
  await kube.kubernetes.apply(fleetYaml(good))
  await kube.untilReady(good, 10_000)
  process.stdout.write(`Ready beside a bad one in ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`)
  await kubectl('delete', 'df', 'bad', 'good', '-n', 'coldchain', '--timeout=60s')
})

test('removal: Delete takes the data along, Retain keeps it', async () => {
  const kept = { namespace: 'coldchain', name: 'kept' }
  const gone = { namespace: 'coldchain', name: 'gone' }
  await kube.kubernetes.apply(fleetYaml(kept, { storage: { onDelete: 'Retain' } }))
  await kube.kubernetes.apply(fleetYaml(gone, { storage: { onDelete: 'Delete' } }))
  await kube.untilReady(kept)
  await kube.untilReady(gone)
  await kubectl('delete', 'df', 'kept', 'gone', '-n', 'coldchain', '--timeout=60s')
  const tables = await kube.platform.sql('select table_name from tables()')
  assert.deepEqual(
    ['coldchain_kept', 'coldchain_gone'].map((name) => tables.some(({ table_name }) => table_name === name)),
    [true, false],
  )
  await assert.rejects(nats.jsm.streams.info('fleet_coldchain_kept'))
})

test('a database that is gone for good holds up a namespace only until a person says so', async () => {
  await kubectl('create', 'namespace', 'doomed')
  const fleet = { namespace: 'doomed', name: 'sensors' }
  await kube.kubernetes.apply(fleetYaml(fleet, { storage: { onDelete: 'Delete' } }))
  await kube.untilReady(fleet)
  await kube.platform.questdb.kill()
  await kubectl('delete', 'namespace', 'doomed', '--wait=false')
  const said = await kube.untilSays(fleet, /^Ready=False Unreachable: being removed: .*to go on without/, 60_000)
  const [, command = ''] = /kubectl (annotate .*)$/.exec(said) ?? []
  await kubectl(...command.split(' '))
  await kubectl('wait', '--for=delete', 'namespace/doomed', '--timeout=60s')
  await kube.platform.questdb.start()
  await kube.untilReady(REEFERS)
})
