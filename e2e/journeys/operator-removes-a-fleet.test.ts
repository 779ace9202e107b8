/** A fleet that is removed leaves nothing, however often the operator dies meanwhile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../kit/until.ts'
import {
  FILE,
  FLEET,
  manifest,
  names,
  type OperatorPlatform,
  STREAM,
  startOperatorPlatform,
  tablesOf,
} from './operator-under-test.ts'

const keysOf = async ({ admin }: OperatorPlatform, bucket: string, isOurs: (key: string) => boolean) => {
  const kv = await admin.bucket(bucket)
  const keys: string[] = []
  for await (const key of await kv.keys()) if (isOurs(key)) keys.push(key)
  return keys
}

const remains = async (platform: OperatorPlatform): Promise<readonly string[]> => {
  const streams: string[] = []
  for await (const { config } of platform.admin.jsm.streams.list()) streams.push(config.name)
  const accounts = [...(await platform.accounts.list()).keys()]
  return [
    ...streams.filter((name) => name === STREAM),
    ...(await tablesOf(platform)),
    ...accounts.filter((name) => name === names.ingestUser(FLEET) || name.startsWith('cold.')),
    ...(await keysOf(platform, names.buckets.pipeline, () => true)),
    ...(await keysOf(platform, names.buckets.applied, (key) => key.includes('.cold.'))),
  ]
}

const deleting = manifest({ spec: ['storage: {onDelete: Delete, rollups: [{every: 1m, ttl: 180d}]}'] })

test('the operator is killed again and again while it removes a fleet; nothing is left and no reading is lost', async () => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack, { manifests: { [FILE]: deleting } })
  await platform.untilReady(FLEET)
  for (const device of ['r-1', 'r-2', 'r-3']) await platform.register(FLEET, device)
  platform.remove(FILE)
  for (let killed = 0; killed < 12; killed++) {
    await sleep(60 * killed)
    await platform.operator.kill()
    await platform.operator.start()
  }
  await until(async () => (await platform.fleets()).length === 0, {
    what: 'the fleet to be gone',
    deadlineMs: 60_000,
    everyMs: 250,
  })
  assert.deepEqual(await remains(platform), [])

  platform.apply(FILE, deleting)
  await platform.untilReady(FLEET)
  await platform.register(FLEET, 'r-1')
})

test('a fleet whose table is to be retained keeps it, and one of the same name takes it over', async () => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack, { manifests: { [FILE]: manifest() } })
  await platform.untilReady(FLEET)
  await platform.sql(
    `INSERT INTO "${names.table(FLEET)}" (ts, device, digest, temperature) VALUES (now(), 'r-1', 1, 4.5)`,
  )
  platform.remove(FILE)
  await until(async () => (await platform.fleets()).length === 0, {
    what: 'the fleet to be gone',
    deadlineMs: 30_000,
    everyMs: 250,
  })
  assert.deepEqual(await remains(platform), [names.table(FLEET), `${names.table(FLEET)}_1m`])
  platform.apply(FILE, manifest())
  await platform.untilReady(FLEET)
  const [row] = await platform.sql<{ n: number }>(`SELECT count() n FROM "${names.table(FLEET)}"`)
  assert.equal(row?.n, 1)
})
