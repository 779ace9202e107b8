/**
 * An operator that lives for one write: it is killed by SIGKILL when it is about to make the next, and started again. So the
 * whole life of a fleet passes with a crash between any two writes, and every step must go on from whatever the last one left.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { KubeError } from '@fleetloom/operator/source/kube/kube-api'
import { connectNats } from '@fleetloom/shared/nats'
import { fleetYaml, startKubePlatform } from '../cluster/kube-platform.ts'
import { operatorOn } from '../cluster/kubernetes.ts'
import { nodeEnv } from '../kit/services.ts'
import { until } from '../kit/until.ts'

const FLEET = { namespace: 'plant', name: 'presses' }
const SPEC = { storage: { rollups: [{ every: '1m', ttl: '180d' }], onDelete: 'Delete' } }
const MOST_LIVES = 120
/** The first has to wait until the lease of the operator before it, which was killed, is over. */
const LIFE_MS = 60_000
const HOOK = join(import.meta.dirname, '..', 'cluster', 'kill-between-writes.ts')

test('a fleet is made, changed and removed by operators that live for one write each', async () => {
  await using kube = await startKubePlatform()
  const { platform, kubernetes } = kube
  await using nats = await connectNats('test', platform.nats.settings())
  await platform.operator.kill()
  await kubernetes.kubectl(['create', 'namespace', FLEET.namespace])
  const env = {
    ...operatorOn(kubernetes.operatorKubeconfig),
    RESYNC_MS: '1000',
    NODE_OPTIONS: `${nodeEnv.NODE_OPTIONS} --import ${HOOK}`,
  }
  /** Starts operators until one of them finds `done`; returns how many it took. */
  const livesUntil = async (what: string, done: () => Promise<boolean>): Promise<number> => {
    for (let lives = 1; lives <= MOST_LIVES; lives++) {
      const operator = await platform.another('operator', { replica: 'short-lived', env }).catch(() => undefined)
      await until(async () => operator?.pid === undefined || (await done()), {
        what: `a life to end (${what})`,
        deadlineMs: LIFE_MS,
      })
      await operator?.kill()
      if (await done()) return lives
    }
    throw new Error(
      `${what}: not done after ${MOST_LIVES} lives: ${JSON.stringify((await kubernetes.fleet(FLEET)).status)}`,
    )
  }
  const isReady = async (): Promise<boolean> => {
    const { metadata, status } = await kubernetes.fleet(FLEET)
    const ready = status?.conditions.find(({ type }) => type === 'Ready')
    return ready?.status === 'True' && status?.observedGeneration === metadata.generation
  }
  const columns = async () =>
    (await platform.sql<{ column: string }>(`select "column" from table_columns('plant_presses')`)).map(
      ({ column }) => column,
    )

  await kubernetes.apply(fleetYaml(FLEET, SPEC))
  const made = await livesUntil('made', isReady)
  assert.deepEqual(await columns(), ['ts', 'device', 'digest', 'temperature'])

  const device = await platform.register(FLEET, 'p-1')
  {
    await using session = await platform.connect(device)
    await session.client.publishAsync('fleets/plant/presses/p-1/telemetry', '{"temperature": 7}', { qos: 1 })
  }
  await until(async () => (await platform.sql('select * from plant_presses')).length === 1, { what: 'the row' })

  const measurements = ['temperature', 'pressure'].map((name) => ({ name, type: 'Double' }))
  await kubernetes.apply(fleetYaml(FLEET, { ...SPEC, measurements }))
  const changed = await livesUntil('changed', isReady)
  assert.ok((await columns()).includes('pressure'))
  assert.equal((await platform.sql('select * from plant_presses')).length, 1)

  await kubernetes.kubectl(['delete', 'df', FLEET.name, '--namespace', FLEET.namespace, '--wait=false'])
  const isGone = () =>
    kubernetes.fleet(FLEET).then(
      () => false,
      (error) => error instanceof KubeError && error.status === 404,
    )
  const removed = await livesUntil('removed', isGone)
  process.stdout.write(`made in ${made} lives, changed in ${changed}, removed in ${removed}\n`)
  await assert.rejects(nats.jsm.streams.info('fleet_plant_presses'))
  const tables = await platform.sql<{ table_name: string }>('select table_name from tables()')
  assert.deepEqual(
    tables.map(({ table_name }) => table_name).filter((name) => name.startsWith('plant_')),
    [],
  )
  const keys: string[] = []
  for await (const key of await (await nats.bucket('fleetloom-pipeline')).keys()) keys.push(key)
  assert.deepEqual(keys, [])
  await assert.rejects(platform.connect(device))
})
