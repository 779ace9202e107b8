import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { deviceRequest } from '../kit/certificates.ts'
import { until } from '../kit/until.ts'
import {
  type CertificatesUnderTest,
  NOT_AUTHORIZED,
  type Problem,
  reading,
  SHEDS,
  startCertificates,
  TRUCKS,
  telemetry,
  VANS,
} from './certificates-under-test.ts'
import { publishCode } from './mqtt-device.ts'

let under: CertificatesUnderTest

before(async () => {
  under = await startCertificates()
})
after(() => under?.[Symbol.asyncDispose]())

const endsWithin2s = (closed: Promise<unknown>) =>
  Promise.race([closed, sleep(2_000).then(() => assert.fail('still connected after 2 s'))])

test('revoking ends the session within 2 s, the certificate is refused from then on, and a new one is let in', async () => {
  const first = await under.registerAndEnrol('t-rev')
  const next = await deviceRequest('')
  await using device = await under.connect(first)
  assert.equal(await publishCode(device.client, telemetry('t-rev'), reading(1)), 0)
  const revoked = await under.send<{ certificates: { serial: string; revokedAt?: string }[] }>(
    'POST',
    `${TRUCKS}/t-rev/certificate/revoke`,
  )
  assert.equal(revoked.status, 200)
  assert.deepEqual(
    revoked.body.certificates.map(({ serial, revokedAt }) => [serial, revokedAt === undefined]),
    [[first.serial, false]],
  )
  await endsWithin2s(device.closed)
  const early = await under.askFor('t-rev', next)
  assert.equal(early.status, 409, 'not before the broker has loaded the list')
  assert.ok(Number(early.headers.get('retry-after')) >= 1)
  await under.untilRefused(first)

  const second = await under.enrol('t-rev')
  await using again = await under.connect(second)
  assert.equal(await publishCode(again.client, telemetry('t-rev'), reading(2)), 0)
  assert.equal(await under.isLetIn(first), false)
  assert.equal(again.client.connected, true)
})

test('a TLS session of before the revocation can not be resumed', async () => {
  const login = await under.registerAndEnrol('t-tls')
  await using device = await under.connect(login)
  assert.equal(await publishCode(device.client, telemetry('t-tls'), reading(1)), 0)
  const session = (device.client.stream as TLSSocket).getSession()
  assert.ok(session)
  await using resumed = await under.connect(login, { session })
  assert.equal((resumed.client.stream as TLSSocket).isSessionReused(), true)
  await under.send('POST', `${TRUCKS}/t-tls/certificate/revoke`)
  await under.untilRefused(login)
  await assert.rejects(under.connect(login, { session }))
})

test('who slips in with a revoked certificate before the broker has the list gets no rights, then or later', async () => {
  const first = await under.registerAndEnrol('t-slip')
  await under.platform.crl?.kill()
  await under.send('POST', `${TRUCKS}/t-slip/certificate/revoke`)
  await using thief = await under.connect(first)
  assert.equal(await publishCode(thief.client, telemetry('t-slip'), reading(1)), NOT_AUTHORIZED)
  await under.platform.crl?.start()
  assert.equal(thief.client.connected, true, 'a new list ends no session')
  await under.enrol('t-slip')
  await endsWithin2s(thief.closed)
  assert.equal(await under.isLetIn(first), false)
})

test('who slips in with the certificate of a removed device has no part in the password device of the same id', async () => {
  const login = await under.registerAndEnrol('t-pass')
  const other = await under.registerAndEnrol('t-same-list')
  await under.platform.crl?.kill()
  await under.send('POST', `${TRUCKS}/t-same-list/certificate/revoke`)
  await under.send('DELETE', `${TRUCKS}/t-pass`)
  await using thief = await under.connect(login)
  const early = await under.send<Problem>('POST', SHEDS, { device: 't-pass' })
  assert.deepEqual([early.status, early.headers.has('retry-after')], [409, true], early.body.detail)
  await under.platform.crl?.start()
  // not with the thief's own: an attempt that is let in takes its session over
  await under.untilRefused(other)
  assert.equal(thief.client.connected, true, 'a new list ends no session')
  assert.equal(await under.isLetIn(login), false)
  await until(async () => (await under.send('POST', SHEDS, { device: 't-pass' })).status === 201, {
    what: 'the device to be registered with a password',
  })
  await endsWithin2s(thief.closed)
  assert.equal(await under.isLetIn(login), false)
})

test('a disabled device is thrown out and refused, and let in again once it is enabled', async () => {
  const login = await under.registerAndEnrol('t-dis')
  await using device = await under.connect(login)
  await under.send('POST', `${TRUCKS}/t-dis/disable`)
  await endsWithin2s(device.closed)
  await under.untilRefused(login)
  assert.equal((await under.askFor('t-dis', await deviceRequest(''))).status, 409)
  await under.send('POST', `${TRUCKS}/t-dis/enable`)
  await using again = await until(() => under.connect(login), { what: 'the device to be let in again' })
  assert.equal(await publishCode(again.client, telemetry('t-dis'), reading(1)), 0)
})

test('a removed device is refused, also after its id is registered anew in another fleet', async () => {
  const login = await under.registerAndEnrol('t-gone')
  await using device = await under.connect(login)
  assert.equal((await under.send('DELETE', `${TRUCKS}/t-gone`)).status, 204)
  await endsWithin2s(device.closed)
  await under.untilRefused(login)
  const anew = await under.registerAndEnrol('t-gone', VANS)
  assert.equal(await under.isLetIn(login), false)
  await using other = await under.connect(anew)
  await until(async () => (await publishCode(other.client, telemetry('t-gone', 'vans'), reading(1))) === 0, {
    what: 'the rights of the new fleet',
  })
  assert.equal(await publishCode(other.client, telemetry('t-gone'), reading(1)), NOT_AUTHORIZED)
})

test('an api that is cut off from the registry gives no list, and brokers go on with the one they have', async () => {
  const [good, bad] = [await under.registerAndEnrol('t-cut'), await under.registerAndEnrol('t-cut-rev')]
  await under.send('POST', `${TRUCKS}/t-cut-rev/certificate/revoke`)
  await under.untilRefused(bad)
  const askForList = async () => (await fetch(`${under.platform.api.url}/v1/device-ca/crl`)).status
  await under.platform.nats.kill()
  await until(async () => (await askForList()) === 503, { what: 'the list to be withheld', deadlineMs: 15_000 })
  assert.deepEqual([await under.isLetIn(good), await under.isLetIn(bad)], [true, false])
  await under.platform.nats.start()
  await until(async () => (await askForList()) === 200, { what: 'the list to be given again', deadlineMs: 30_000 })
  assert.deepEqual([await under.isLetIn(good), await under.isLetIn(bad)], [true, false])
})
