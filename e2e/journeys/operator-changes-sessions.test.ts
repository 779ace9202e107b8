/** A fleet is given fewer sessions while the broker holds readings for those that go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appliedKey } from '@fleetloom/crds/names'
import { until } from '../kit/until.ts'
import {
  FILE,
  FLEET,
  manifest,
  names,
  type OperatorPlatform,
  startOperatorPlatform,
  TABLE,
} from './operator-under-test.ts'

const READINGS = 200
const sessions = (count: number) => ({ spec: [`ingest: {sessions: ${count}}`] })

const changed = async (meanwhile: (platform: OperatorPlatform) => Promise<unknown>): Promise<void> => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack, { manifests: { [FILE]: manifest(sessions(2)) } })
  await platform.untilReady(FLEET)
  const { client } = stack.use(await platform.connect(await platform.register(FLEET, 'r-1')))
  const startMs = Date.now()
  const publish = (i: number) =>
    client.publishAsync('fleets/cold/reefers/r-1/telemetry', JSON.stringify({ ts: startMs + i, temperature: i }), {
      qos: 1,
    })
  await until(() => publish(0).then(() => true), { what: 'the device to be let in', everyMs: 200 })
  await platform.ingest.kill()
  for (let i = 1; i < READINGS; i++) await publish(i)
  platform.apply(FILE, manifest(sessions(1)))
  await platform.untilSaid('PipelineReady', 'False WaitingForIngest')
  await meanwhile(platform)
  await platform.ingest.start()
  await platform.untilReady(FLEET, { generation: 2 })

  const rows = async () => (await platform.sql<{ n: number }>(`SELECT count() n FROM "${TABLE}"`))[0]?.n
  await until(async () => (await rows()) === READINGS, { what: `${READINGS} rows` }).catch(() => undefined)
  assert.equal(await rows(), READINGS)

  const gone = names.ingestUser(FLEET, 1)
  await platform.untilTold('Removed', new RegExp(`accounts ${gone}`))
  const kv = await platform.admin.bucket(names.buckets.pipeline)
  const document = JSON.parse((await kv.get('fleet.cold.reefers'))?.string() ?? '{}')
  assert.deepEqual([document.sessions, document.surplusSessions], [1, 0])
}

/** Ingest that runs, and has not got to the session that goes. */
const isSlow = async (platform: OperatorPlatform): Promise<void> => {
  const [kv, applied] = await Promise.all(
    [names.buckets.pipeline, names.buckets.applied].map((one) => platform.admin.bucket(one)),
  )
  const document = async () => JSON.parse((await kv?.get('fleet.cold.reefers'))?.string() ?? '{}')
  const { uid, generation } = await document()
  const report = {
    version: '1.0',
    replica: 'slow',
    uid,
    generation,
    state: 'Subscribed',
    observed: [],
    atMs: Date.now(),
  }
  await applied?.put(appliedKey('ingest', FLEET, 0), JSON.stringify(report))
  await platform.untilReady(FLEET, { generation: 2 })
  const looked = await platform.looks()
  await until(async () => (await platform.looks()) >= looked + 3, { what: 'three looks', everyMs: 200 })
  assert.equal((await document()).surplusSessions, 1)
  assert.ok((await platform.accounts.list()).has(names.ingestUser(FLEET, 1)))
}

test('readings that the broker holds for a session that goes are in the database; its account goes when it has ended', () =>
  changed(isSlow))

test('so they are when the document that named the session is lost', () =>
  changed(async ({ admin }) => (await admin.bucket(names.buckets.pipeline)).delete('fleet.cold.reefers')))
