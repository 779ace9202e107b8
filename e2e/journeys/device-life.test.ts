import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectMosquitto } from '@fleetloom/shared/broker/mosquitto/mosquitto'
import { type ApiUnderTest, fleetDocument, quiet, startApiUnderTest } from './api-under-test.ts'
import { connectDevice, publishCode, subscribeCode } from './mqtt-device.ts'

const DEVICES = '/v1/namespaces/cold/fleets/reefers/devices'
const NOT_AUTHORIZED = 0x87

type Device = { device: string; username: string; secret: string; revision: number; disabled: boolean }

let under: ApiUnderTest

before(async () => {
  under = await startApiUnderTest()
  await under.putFleet(fleetDocument({ namespace: 'cold', name: 'reefers' }))
  await under.putFleet(fleetDocument({ namespace: 'cold', name: 'trucks' }))
})
after(() => under[Symbol.asyncDispose]())

const register = async (device: string, more: object = {}, fleet = 'reefers') =>
  under.send<Device>('POST', `/v1/namespaces/cold/fleets/${fleet}/devices`, { body: { device, ...more } })
const connect = ({ username, secret }: Device, options = {}) =>
  connectDevice({ url: under.mosquitto.url, username, password: secret }, options)
const endsWithin2s = async (closed: Promise<unknown>) =>
  Promise.race([closed, sleep(2_000).then(() => assert.fail('still connected after 2 s'))])

test('a registered device connects with the secret it was given once, and publishes', async () => {
  const { status, headers, body } = await register('r-1', {
    type: 'reefer',
    labels: { cargo: 'vaccine' },
    displayName: 'Reefer 1',
  })
  assert.equal(status, 201)
  assert.equal(headers.get('cache-control'), 'no-store')
  assert.equal(headers.get('etag'), `"${body.revision}"`)
  assert.equal(body.username, 'cold.r-1')
  assert.match(body.secret, /^[A-Za-z0-9_-]{43}$/)
  await using device = await connect(body)
  assert.equal(await publishCode(device.client, 'fleets/cold/reefers/r-1/telemetry'), 0)
  assert.equal(await subscribeCode(device.client, 'fleets/cold/reefers/r-1/commands'), 1)

  const { secret, ...shown } = body
  const read = await under.send('GET', `${DEVICES}/r-1`)
  const { presenceUnavailable, ...held } = read.body
  assert.deepEqual(held, shown)
  assert.match(String(presenceUnavailable), /no alerter answered/)
  assert.equal(JSON.stringify(await under.send('GET', DEVICES)).includes(secret), false)
})

test('a wrong password is refused, and so are another device’s topics', async () => {
  const [one, two] = await Promise.all([register('pair-1'), register('pair-2')])
  await assert.rejects(connect({ ...one.body, secret: two.body.secret }), /Not authorized/)
  await using device = await connect(one.body)
  assert.equal(await publishCode(device.client, 'fleets/cold/reefers/pair-2/telemetry'), NOT_AUTHORIZED)
  assert.equal(await subscribeCode(device.client, 'fleets/cold/reefers/pair-2/commands'), NOT_AUTHORIZED)
  assert.equal(await subscribeCode(device.client, 'fleets/cold/reefers/+/commands'), NOT_AUTHORIZED)
  await using impostor = await connect(one.body, { clientId: two.body.username })
  assert.equal(impostor.client.connected, true)
})

test('a disabled device is thrown out within 2 s and comes back once enabled', async () => {
  const { body } = await register('d-1')
  await using device = await connect(body)
  const disabled = await under.send<Device>('POST', `${DEVICES}/d-1/disable`)
  assert.equal(disabled.body.disabled, true)
  await endsWithin2s(device.closed)
  await assert.rejects(connect(body), /Not authorized/)
  assert.equal((await under.send('POST', `${DEVICES}/d-1/disable`)).status, 200, 'disabling again changes nothing')
  assert.equal((await under.send<Device>('POST', `${DEVICES}/d-1/enable`)).body.disabled, false)
  await using again = await connect(body)
  assert.equal(await publishCode(again.client, 'fleets/cold/reefers/d-1/telemetry'), 0)
})

test('a rotated secret ends the old session and replaces the old secret', async () => {
  const { body } = await register('s-1')
  await using device = await connect(body)
  const rotated = await under.send<Device>('POST', `${DEVICES}/s-1/rotate`)
  assert.equal(rotated.status, 200)
  assert.equal(rotated.headers.get('cache-control'), 'no-store')
  await endsWithin2s(device.closed)
  await assert.rejects(connect(body), /Not authorized/)
  await using again = await connect(rotated.body)
  assert.equal(await publishCode(again.client, 'fleets/cold/reefers/s-1/telemetry'), 0)
})

test('deleting a device ends its session; the id can be registered anew, with a new secret', async () => {
  const { body } = await register('gone-1')
  await using device = await connect(body)
  assert.equal((await under.send('DELETE', `${DEVICES}/gone-1`)).status, 204)
  await endsWithin2s(device.closed)
  await assert.rejects(connect(body), /Not authorized/)
  assert.equal((await under.send('GET', `${DEVICES}/gone-1`)).status, 404)
  assert.equal((await under.send('DELETE', `${DEVICES}/gone-1`)).status, 204, 'deleting again is a success')
  const anew = await register('gone-1', {}, 'trucks')
  assert.equal(anew.status, 201)
  await assert.rejects(connect(body), /Not authorized/)
  await using other = await connect(anew.body)
  assert.equal(await publishCode(other.client, 'fleets/cold/trucks/gone-1/telemetry'), 0)
  assert.equal((await under.send('DELETE', `${DEVICES}/gone-1`)).status, 404, 'it is not in this fleet any more')
})

test('an id is unique in its namespace; the problem names the fleet that has it', async () => {
  await register('only-1')
  const { status, body } = await register('only-1', {}, 'trucks')
  assert.equal(status, 409)
  const { requestId, ...problem } = body as unknown as Record<string, unknown>
  assert.deepEqual(problem, {
    type: 'urn:fleetloom:problem:device-exists',
    title: 'The device id is taken',
    status: 409,
    detail: 'device only-1 already exists in namespace cold, in fleet reefers',
    errors: [{ field: 'device', value: 'only-1', reason: 'taken by fleet reefers' }],
    next: 'Choose another id, or delete that device first.',
  })
})

test('a user name that somebody else holds on the broker is left alone, and nothing is registered', async () => {
  const { url, admins } = under.mosquitto
  const { username, value: password } = admins.test
  await using foreign = connectMosquitto({ url, username, password, installation: 'another', log: quiet })
  const acl = { publish: [], subscribe: [] }
  await foreign.put([{ username: 'cold.taken', acl, disabled: false, secret: { plain: 'theirs' } }])
  const { status, body } = await register('taken')
  assert.equal(status, 409)
  assert.match(JSON.stringify(body), /cold.taken exists and was not made by this installation/)
  assert.equal((await under.send('GET', `${DEVICES}/taken`)).status, 404)
  await using theirs = await connectDevice({ url, username: 'cold.taken', password: 'theirs' })
  assert.equal(theirs.client.connected, true)
})

test('a fleet that does not exist, or is being removed, takes no devices', async () => {
  const absent = await register('x-1', {}, 'nowhere')
  assert.equal(absent.status, 404)
  assert.match(JSON.stringify(absent.body), /there is no fleet cold\/nowhere/)
  await under.putFleet(fleetDocument({ namespace: 'cold', name: 'leaving' }, { phase: 'Draining' }))
  const leaving = await register('x-1', {}, 'leaving')
  assert.equal(leaving.status, 409)
  assert.match(JSON.stringify(leaving.body), /is being removed/)
})

test('a fleet that grants nothing yet has its devices connect and publish nothing', async () => {
  await under.putFleet(fleetDocument({ namespace: 'cold', name: 'early' }, { grants: { publish: [], subscribe: [] } }))
  const { body } = await register('early-1', {}, 'early')
  await using device = await connect(body)
  assert.equal(await publishCode(device.client, 'fleets/cold/early/early-1/telemetry'), NOT_AUTHORIZED)
})

test('labels, type and name are patched, by revision where one is given', async () => {
  const { body, headers } = await register('p-1', { type: 'a', labels: { keep: '1', drop: '2' } })
  const patch = { labels: { drop: null, add: '3' }, displayName: 'P' }
  const etag = String(headers.get('etag'))
  const changed = await under.send<Record<string, unknown>>('PATCH', `${DEVICES}/p-1`, {
    body: patch,
    headers: { 'if-match': etag },
  })
  assert.equal(changed.status, 200)
  const { labels, displayName, type } = changed.body
  assert.deepEqual({ labels, displayName, type }, { labels: { keep: '1', add: '3' }, displayName: 'P', type: 'a' })
  const stale = await under.send('PATCH', `${DEVICES}/p-1`, { body: { type: 'b' }, headers: { 'if-match': etag } })
  assert.equal(stale.status, 412)
  const fixed = await under.send('PATCH', `${DEVICES}/p-1`, { body: { device: 'other' } })
  assert.equal(fixed.status, 400)
  assert.match(JSON.stringify(fixed.body), /"field":"device"/)
  const bad = await under.send('PATCH', `${DEVICES}/p-1`, { body: { labels: { 'not ok': 'x' } } })
  assert.equal(bad.status, 400)
  assert.equal((await under.send<Device>('GET', `${DEVICES}/p-1`)).body.username, body.username)
})

test('devices are listed by label and page by page, none left out', async () => {
  await under.putFleet(fleetDocument({ namespace: 'cold', name: 'listed' }))
  for (let i = 0; i < 7; i++) await register(`l-${i}`, { labels: { parity: i % 2 === 0 ? 'even' : 'odd' } }, 'listed')
  type Page = { items: Device[]; continue?: string }
  const path = '/v1/namespaces/cold/fleets/listed/devices'
  const even = await under.send<Page>('GET', `${path}?labelSelector=parity%3Deven`)
  assert.deepEqual(even.body.items.map(({ device }) => device).sort(), ['l-0', 'l-2', 'l-4', 'l-6'])
  const seen: string[] = []
  let token: string | undefined
  do {
    const page: { body: Page } = await under.send<Page>('GET', `${path}?limit=3${token ? `&continue=${token}` : ''}`)
    assert.ok(page.body.items.length <= 3)
    seen.push(...page.body.items.map(({ device }) => device))
    token = page.body.continue
  } while (token)
  assert.deepEqual(
    seen.sort(),
    [0, 1, 2, 3, 4, 5, 6].map((i) => `l-${i}`),
  )
})
