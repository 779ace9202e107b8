import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { NO_ACCESS } from '@fleetloom/shared/broker/acl'
import type { Broker } from '@fleetloom/shared/broker/broker'
import { type Entry, Registry } from '@fleetloom/shared/registry/registry'
import { DeviceAccounts } from '../../services/api/src/devices/accounts.ts'
import { Provisioning } from '../../services/api/src/devices/provisioning.ts'
import { Fleets } from '../../services/api/src/fleets.ts'
import { type ApiUnderTest, fleetDocument, quiet, startApiUnderTest, testBroker } from './api-under-test.ts'
import { connectDevice, publishCode } from './mqtt-device.ts'

const FLEET = { namespace: 'cold', name: 'reefers' }
const DEVICES = '/v1/namespaces/cold/fleets/reefers/devices'
const NOT_AUTHORIZED = 0x87

let under: ApiUnderTest
let stack: AsyncDisposableStack
let broker: Broker
let registry: Registry
let fleets: Fleets

before(async () => {
  stack = new AsyncDisposableStack()
  under = stack.use(await startApiUnderTest())
  broker = stack.use(testBroker(under.mosquitto))
  const { buckets } = namesOf()
  const kv = await under.client.bucket(buckets.devices)
  registry = new Registry({ kv, jsm: under.client.jsm, bucket: buckets.devices })
  fleets = new Fleets(await under.client.bucket(buckets.pipeline))
  await under.putFleet(fleetDocument(FLEET))
})
after(() => stack.disposeAsync())

/** A second replica, in whose way to the broker something happens once: after it wrote the registry, before the broker. */
const replica = (method: 'put' | 'setAcl', meanwhile: () => Promise<unknown>): Provisioning => {
  let happened = false
  const write = async (accounts: never) => {
    if (!happened) {
      happened = true
      await meanwhile()
    }
    return broker[method](accounts)
  }
  const accounts = new DeviceAccounts({ registry, fleets, broker: { ...broker, [method]: write } })
  return new Provisioning({ registry, fleets, accounts, log: quiet, listDelayMs: 0, now: () => new Date() })
}

const register = async (device: string) =>
  (await under.send<{ username: string; secret: string }>('POST', DEVICES, { body: { device } })).body
const act = (method: string, path: string) => async () => {
  assert.ok((await under.send(method, `${DEVICES}/${path}`)).status < 300)
}
const entryOf = async (device: string) => (await registry.get('cold', device)) as Entry
const connect = (username: string, password: string) => connectDevice({ url: under.mosquitto.url, username, password })

test('a device that is disabled while its secret is rotated stays out', async () => {
  const { username } = await register('a')
  const { secret } = await replica('put', act('POST', 'a/disable')).rotate(await entryOf('a'))
  await assert.rejects(connect(username, secret), /Not authorized/)
  await act('POST', 'a/enable')()
  await using device = await connect(username, secret)
  assert.equal(await publishCode(device.client, 'fleets/cold/reefers/a/telemetry'), 0)
})

test('a device that is deleted while its secret is rotated does not come back', async () => {
  const { username } = await register('b')
  await assert.rejects(replica('put', act('DELETE', 'b')).rotate(await entryOf('b')), /no device b/)
  assert.equal((await broker.list()).has(username), false)
})

test('a device that is disabled while it is enabled stays out', async () => {
  const { username, secret } = await register('c')
  await act('POST', 'c/disable')()
  await replica('setAcl', act('POST', 'c/disable')).enable(await entryOf('c'))
  await assert.rejects(connect(username, secret), /Not authorized/)
  assert.deepEqual((await broker.list()).get(username), { username, acl: NO_ACCESS, disabled: true })
})

test('of two rotations at once, the one whose secret is not kept is told so', async () => {
  await register('d')
  const rotation = replica('put', act('POST', 'd/rotate')).rotate(await entryOf('d'))
  await assert.rejects(rotation, /rotated by another request/)
})

test('a device that is registered while its fleet loses its grants has none', async () => {
  const revoke = () => under.putFleet(fleetDocument(FLEET, { grants: { publish: [], subscribe: [] } }))
  const [outcome] = await replica('put', revoke).register(FLEET, [
    { device: 'e', type: '', labels: {}, displayName: '' },
  ])
  assert.ok(outcome && 'ok' in outcome)
  await using device = await connect('cold.e', outcome.ok.secret ?? '')
  assert.equal(await publishCode(device.client, 'fleets/cold/reefers/e/telemetry'), NOT_AUTHORIZED)
  await under.putFleet(fleetDocument(FLEET))
})

test('a device that is deleted while it is registered is reported as not registered, and is nowhere', async () => {
  const spec = { device: 'f', type: '', labels: {}, displayName: '' }
  const [outcome] = await replica('put', act('DELETE', 'f')).register(FLEET, [spec])
  assert.ok(outcome && 'problem' in outcome)
  assert.match(outcome.problem.message, /not registered: it was removed meanwhile/)
  assert.equal((await broker.list()).has('cold.f'), false)
})
