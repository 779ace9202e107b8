/** Tenants and devices beside each other: what each can't do to the other, and what of equal names and equal times survives. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesOf, type Ref } from '@fleetloom/crds/names'
import mqtt from 'mqtt'
import { conditionOf } from '../kit/fleet-status.ts'
import { connectMqtt } from '../kit/mqtt.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

const names = namesOf()
const north = { namespace: 'north', name: 'reefers' }
const south = { namespace: 'south', name: 'reefers' }
const scalars = { namespace: 'north', name: 'scalars' }

const objectFleet = ({ namespace, name }: Ref) => `apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  measurements: [{ name: temperature, type: Double }]
  storage: { rollups: [] }
`

const scalarFleet = ({ namespace, name }: Ref) => `apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  topics: { telemetry: ["meters/{device}/{measurement}"] }
  measurements: [{ name: power, type: Double }]
  storage: { rollups: [] }
`

const temperatures = async (platform: Platform, fleet: Ref, column = 'temperature'): Promise<number[]> => {
  const rows = await platform.sql<{ v: number }>(`SELECT "${column}" v FROM "${names.table(fleet)}" ORDER BY v`)
  return rows.map(({ v }) => v)
}

const untilRows = (platform: Platform, fleet: Ref, wanted: readonly number[], column?: string) =>
  until(async () => JSON.stringify(await temperatures(platform, fleet, column)) === JSON.stringify(wanted), {
    what: `${fleet.namespace}/${fleet.name} to hold ${wanted}`,
    deadlineMs: 15_000,
  })

const telemetry = ({ namespace, name }: Ref, device: string) => `fleets/${namespace}/${name}/${device}/telemetry`

test('equal names, equal times, and neighbours that try to be someone else', async (t) => {
  await using platform = await startPlatform({
    manifests: {
      'north.yaml': objectFleet(north),
      'south.yaml': objectFleet(south),
      'scalars.yaml': scalarFleet(scalars),
    },
    sharedPrefixes: ['meters/=north'],
  })
  for (const fleet of [north, south, scalars]) await platform.untilReady(fleet)
  const [mine, theirs, meter] = await Promise.all([
    platform.register(north, 'r-1'),
    platform.register(south, 'r-1'),
    platform.register(scalars, 'm-1'),
  ])
  await using my = await platform.connect(mine)
  await using their = await platform.connect(theirs)

  await t.test('the same fleet name and device id in two namespaces work side by side', async () => {
    await my.client.publishAsync(telemetry(north, 'r-1'), '{"temperature":1}', { qos: 1 })
    await their.client.publishAsync(telemetry(south, 'r-1'), '{"temperature":2}', { qos: 1 })
    await untilRows(platform, north, [1])
    await untilRows(platform, south, [2])
  })

  await t.test('two messages with one timestamp both survive, and the same message twice is one row', async () => {
    const ts = Date.now()
    for (const value of [3, 4, 4]) {
      await my.client.publishAsync(telemetry(north, 'r-1'), `{"ts":${ts},"temperature":${value}}`, { qos: 1 })
    }
    await untilRows(platform, north, [1, 3, 4])
    await using session = await platform.connect(meter)
    for (const value of [5, 6, 6]) {
      await session.client.publishAsync('meters/m-1/power', `{"value":${value},"ts":${ts}}`, { qos: 1 })
    }
    await untilRows(platform, scalars, [5, 6], 'power')
  })

  await t.test("another's topic is refused, and so is ingest's probe", async () => {
    const foreign = [telemetry(south, 'r-1'), telemetry(north, 'r-2'), 'meters/m-1/power', '$SYS/x']
    const probe = `fleetloom/sessions/${names.ingestUser(north)}/probe`
    for (const topic of [...foreign, probe]) {
      await assert.rejects(my.client.publishAsync(topic, '{"temperature":9}', { qos: 1 }), /Not authorized/, topic)
    }
  })

  await t.test("a device that takes ingest's client id, or another device's, changes nothing for them", async () => {
    const { username, password } = await platform.register(north, 'thief')
    for (const clientId of [names.ingestUser(north), mine.username]) {
      await using thief = await connectMqtt(
        { url: platform.mosquitto.url, username, password },
        { clientId, clean: true },
      )
      assert.ok(thief.client.connected)
      assert.ok(my.client.connected, "the other device's session goes on")
      await my.client.publishAsync(telemetry(north, 'r-1'), '{"temperature":7}', { qos: 1 })
    }
    await until(async () => (await temperatures(platform, north)).filter((v) => v === 7).length === 2, {
      what: 'ingest to have gone on taking readings',
      deadlineMs: 15_000,
    })
  })

  await t.test(
    'a fleet whose topics overlap with those of another is refused, and named only to its own namespace',
    async () => {
      platform.apply('rival.yaml', scalarFleet({ namespace: 'north', name: 'rival' }))
      const accepted = await until(
        async () => {
          const rival = (await platform.fleets()).find(({ name }) => name === 'rival')
          const condition = rival && conditionOf(rival, 'Accepted')
          return condition?.status === 'False' ? condition : undefined
        },
        { what: 'the rival to be refused' },
      )
      assert.equal(accepted.reason, 'TopicConflict')
      assert.match(
        accepted.message,
        /^meters\/\+\/\+ overlaps with what fleet north\/scalars .+ claims; use other topics/,
      )
      assert.equal((await platform.sql(`SELECT table_name FROM tables() WHERE table_name = 'north_rival'`)).length, 0)
      platform.remove('scalars.yaml')
      await platform.untilReady({ namespace: 'north', name: 'rival' })
    },
  )

  await t.test(
    'a broken manifest is refused with file, line, field and reason, and the last good version keeps running',
    async () => {
      platform.apply('north.yaml', objectFleet(north).replace('Double', 'Doubel'))
      const refused = await until(
        async () => {
          const response = await fetch(`${platform.operator.url}/status?output=json`)
          return (
            (await response.json()) as { refused: { file: string; line: number; field: string; message: string }[] }
          ).refused[0]
        },
        { what: 'the manifest to be refused' },
      )
      assert.deepEqual([refused.line, refused.field], [5, 'spec.measurements[0].type'])
      assert.match(refused.file, /north\.yaml$/)
      assert.match(refused.message, /Doubel.+Double/)
      await my.client.publishAsync(telemetry(north, 'r-1'), '{"temperature":8}', { qos: 1 })
      await until(async () => (await temperatures(platform, north)).includes(8), {
        what: 'readings to flow on',
        deadlineMs: 15_000,
      })
      const table = await (await fetch(`${platform.operator.url}/status`)).text()
      assert.match(table, /REFUSED[\s\S]+north\.yaml:5: spec\.measurements\[0\]\.type: /)
    },
  )

  await t.test("another's password does not open a device's account", async () => {
    const login = { url: platform.mosquitto.url, username: theirs.username, password: mine.password }
    await assert.rejects(connectMqtt(login), mqtt.ErrorWithReasonCode)
  })
})
