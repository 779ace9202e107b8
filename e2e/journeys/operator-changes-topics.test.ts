/** A fleet's topics are changed while the broker holds readings of the old ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../kit/until.ts'
import { FILE, FLEET, manifest, names, startOperatorPlatform, TABLE } from './operator-under-test.ts'

const telemetry = (last: string) => [`topics: {telemetry: ["fleets/{namespace}/{fleet}/{device}/${last}"]}`]
const READINGS = 200

test('readings acknowledged on an old topic are in the database though ingest was away during the change', async () => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack, { manifests: { [FILE]: manifest() } })
  await platform.untilReady(FLEET)
  const session = stack.use(await platform.connect(await platform.register(FLEET, 'r-1')))
  const startMs = Date.now()
  const publish = (last: string, i: number) =>
    session.client.publishAsync(
      `fleets/cold/reefers/r-1/${last}`,
      JSON.stringify({ ts: startMs + i, temperature: i }),
      { qos: 1 },
    )
  await until(() => publish('telemetry', 0).then(() => true), { what: 'the device to be let in', everyMs: 200 })
  await platform.ingest.kill()
  for (let i = 1; i < READINGS; i++) await publish('telemetry', i)

  platform.apply(FILE, manifest({ spec: telemetry('readings') }))
  await platform.untilSaid('PipelineReady', 'False WaitingForIngest')
  await sleep(6_000)
  await platform.ingest.start()
  await platform.untilReady(FLEET, { generation: 2 })
  await until(() => publish('readings', READINGS).then(() => true), {
    what: 'the new topic to be granted',
    everyMs: 200,
  })
  await assert.rejects(publish('telemetry', READINGS + 1), 'the old topic is no longer granted')

  const rows = async () => (await platform.sql<{ n: number }>(`SELECT count() n FROM "${TABLE}"`))[0]?.n
  await until(async () => (await rows()) === READINGS + 1, { what: `${READINGS + 1} rows`, deadlineMs: 20_000 }).catch(
    () => undefined,
  )
  assert.equal(await rows(), READINGS + 1)

  const kv = await platform.admin.bucket(names.buckets.pipeline)
  await until(
    async () => {
      const { topics } = JSON.parse((await kv.get('fleet.cold.reefers'))?.string() ?? '{}') as {
        topics: { telemetry: string[] }
      }
      return topics.telemetry.join() === 'fleets/cold/reefers/{device}/readings'
    },
    { what: 'the old topic to be given up once it is empty', deadlineMs: 40_000, everyMs: 500 },
  )
  await platform.untilTold('Removed', /claim on fleets\/cold\/reefers\/\+\/telemetry/)
})
