import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '../kit/until.ts'
import { type ApiUnderTest, fleetDocument, startApiUnderTest } from './api-under-test.ts'
import { connectDevice } from './mqtt-device.ts'

const DEVICES = '/v1/namespaces/cold/fleets/reefers/devices'
type Problem = { type: string; detail: string; next: string }
type Device = { username: string; secret: string }

let under: ApiUnderTest

before(async () => {
  under = await startApiUnderTest()
  await under.putFleet(fleetDocument({ namespace: 'cold', name: 'reefers' }))
})
after(() => under[Symbol.asyncDispose]())

const register = (device: string) => under.send<Device & Problem>('POST', DEVICES, { body: { device } })
const ready = async () => (await fetch(`${under.url}/readyz`)).status
const backAgain = () => until(async () => (await ready()) === 200, { what: 'the api to be ready again' })

test('while the broker is away nothing is half registered, and what is revoked is revoked in the registry', async () => {
  const { body } = await register('before-1')
  await under.mosquitto.kill('SIGTERM')
  assert.equal(await ready(), 503)
  const refused = await register('during-1')
  assert.equal(refused.status, 503)
  assert.match(refused.body.detail, /^device during-1 was not registered: broker mqtt:.* does not answer/)
  assert.equal((await under.send('GET', `${DEVICES}/during-1`)).status, 404)
  const disabled = await under.send<Problem>('POST', `${DEVICES}/before-1/disable`)
  assert.equal(disabled.status, 503)
  assert.match(disabled.body.detail, /^disabled in the registry, but not yet on the broker/)
  assert.equal((await under.send<{ disabled: boolean }>('GET', `${DEVICES}/before-1`)).body.disabled, true)

  await under.mosquitto.start()
  await backAgain()
  assert.equal((await register('during-1')).status, 201)
  assert.equal((await under.send('POST', `${DEVICES}/before-1/disable`)).status, 200)
  await assert.rejects(
    connectDevice({ url: under.mosquitto.url, username: body.username, password: body.secret }),
    /Not authorized/,
  )
})

test('a rotation that the broker did not take leaves the old secret in force', async () => {
  const { body } = await register('rotate-1')
  await under.mosquitto.kill('SIGTERM')
  const rotated = await under.send<Problem>('POST', `${DEVICES}/rotate-1/rotate`)
  assert.equal(rotated.status, 503)
  assert.match(rotated.body.detail, /^the secret was not changed/)
  await under.mosquitto.start()
  await backAgain()
  const credentials = { url: under.mosquitto.url, username: body.username, password: body.secret }
  await (await connectDevice(credentials))[Symbol.asyncDispose]()
})

test('while NATS is away the api says so, lets nobody in, and comes back by itself', async () => {
  await under.nats.kill()
  assert.equal(await ready(), 503)
  const { status, body } = await under.send<Problem>('GET', DEVICES)
  assert.equal(status, 503)
  assert.equal(body.type, 'urn:fleetloom:problem:unavailable')
  await under.nats.start()
  await backAgain()
  assert.equal((await under.send('GET', DEVICES)).status, 200)
})
