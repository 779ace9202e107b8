/** Fleets made and removed while their devices publish. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { deviceUser, namesOf } from '@fleetloom/crds/names'
import { connectMosquitto } from '@fleetloom/shared/broker/mosquitto/mosquitto'
import { connectNats } from '@fleetloom/shared/nats'
import { createLogger } from '@fleetloom/shared/process/logger'
import { jetstreamManager } from '@nats-io/jetstream'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { FORMS, type Form, SHARED_PREFIXES, startFleetLoad } from './fleets-under-load.ts'
import { balanceOf } from './ledger.ts'

const names = namesOf()
const form = FORMS[0] as Form
const table = names.table(form.fleet)
const file = 'objects.yaml'

const brokerOf = ({ mosquitto }: Platform) => {
  const { username, value } = mosquitto.admins.test
  const log = createLogger('test', 'error')
  return connectMosquitto({ url: mosquitto.url, username, password: value, installation: names.installation, log })
}

/** What is left of the fleet anywhere. */
const remains = async (platform: Platform): Promise<string[]> => {
  await using nats = await connectNats('test', platform.nats.settings())
  await using broker = brokerOf(platform)
  const jsm = await jetstreamManager(nats.connection)
  const streams = (await jsm.streams.list().next()).map(({ config }) => config.name)
  const tables = await platform.sql<{ table_name: string }>('SELECT table_name FROM tables()')
  const accounts = [...(await broker.list()).keys()]
  return [
    ...streams.filter((name) => name === names.stream(form.fleet)),
    ...tables.map(({ table_name }) => table_name).filter((name) => name.startsWith(table)),
    ...accounts.filter((name) => name === names.ingestUser(form.fleet) || name.startsWith(deviceUser('chaos', ''))),
  ]
}

test('a fleet made while its devices already try to publish loses no acknowledged message; removed under load it leaves nothing', async () => {
  await using platform = await startPlatform({ sharedPrefixes: SHARED_PREFIXES })
  // A device can be registered only once its fleet is known, so the fleet comes first and the devices a moment later, long before it is Ready.
  platform.apply(file, form.manifest)
  const devices = await until(() => Promise.all(['d-1', 'd-2', 'd-3'].map((id) => platform.register(form.fleet, id))), {
    what: 'the fleet to take devices',
    everyMs: 20,
  })
  const load = await startFleetLoad(platform, form, devices, { rate: 500, reconnect: true })
  await platform.untilReady(form.fleet)
  await until(() => load.stats().acknowledged > 2_000, { what: 'readings to flow', deadlineMs: 30_000 })
  const result = await load.stop()
  assert.equal(result.unheard, 0, 'no message was acknowledged with nobody to take it')
  const where = { table, column: form.column }
  await until(async () => (await balanceOf(platform.sql, where, result)).missing.length === 0, {
    what: 'every acknowledged reading to be found',
    deadlineMs: 30_000,
  })

  const second = await startFleetLoad(platform, form, devices, { rate: 500, reconnect: true })
  second.done.catch(() => undefined)
  await sleep(1_000)
  platform.apply(file, form.manifest.replace('rollups: []', 'rollups: [], onDelete: Delete'))
  await platform.untilReady(form.fleet, { generation: 2 })
  platform.remove(file)
  await until(async () => (await remains(platform)).length === 0, {
    what: 'every table, stream and user of the fleet to be gone',
    deadlineMs: 60_000,
    everyMs: 500,
  })
  await sleep(3_000)
  assert.deepEqual(await remains(platform), [], 'nothing came back')
  await second.stop(0).catch(() => undefined)
})
