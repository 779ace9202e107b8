import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { type DeviceRequest, deviceRequest } from '../kit/certificates.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { connectDevice, type DeviceClient, publishCode, subscribeCode } from './mqtt-device.ts'

const TRUCKS = { namespace: 'cold', name: 'trucks' }
const DEVICES = '/v1/namespaces/cold/fleets/trucks/devices'
const NOT_AUTHORIZED = 0x87

const fleet = (namespace: string, name: string, mode: string): string => `
apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  authentication: {mode: ${mode}}
  measurements: [{name: temperature, type: Double}]
`

type Signed = { readonly username: string; readonly serial: string; readonly notAfter: string; readonly chain: string }
type Problem = {
  readonly status: number
  readonly detail: string
  readonly errors?: readonly { readonly field: string }[]
  readonly next: string
}
type Registered = { readonly username: string; readonly secret?: string; readonly next: string }

let platform: Platform
let adminKey: string
/** A device that has been there for a while by the last test. */
let settled: Login

before(async () => {
  platform = await startPlatform({
    certificates: true,
    manifests: {
      'trucks.yaml': fleet('cold', 'trucks', 'Certificate'),
      'vans.yaml': fleet('cold', 'vans', 'Certificate'),
      'ships.yaml': fleet('warm', 'ships', 'Certificate'),
      'sheds.yaml': fleet('cold', 'sheds', 'Password'),
    },
    env: { api: { DEVICE_CRL_DELAY_MS: '2000' } },
  })
  adminKey = readFileSync(platform.adminKeyFile, 'utf8').trim()
  await platform.untilReady(TRUCKS)
  settled = await enrolled('t-lost')
})
after(() => platform?.[Symbol.asyncDispose]())

/** Sends to the api, and gives status and body whatever they are. */
const send = async <T>(method: string, path: string, body?: unknown, key = adminKey) => {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const response = await fetch(`${platform.api.url}${path}`, { method, headers, body: JSON.stringify(body) ?? null })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: (text === '' ? undefined : JSON.parse(text)) as T }
}

const register = async (device: string, devices = DEVICES) => (await send<Registered>('POST', devices, { device })).body
const askFor = async (device: string, { csr }: DeviceRequest, devices = DEVICES, key = adminKey) =>
  send<Signed & Problem>('POST', `${devices}/${device}/certificate`, { csr }, key)

type Login = { readonly key: string; readonly chain: string }

/** A device that is registered and has its certificate. */
const enrolled = async (device: string, devices = DEVICES): Promise<Login & Signed> => {
  await register(device, devices)
  return enrolledAgain(device, devices)
}
const enrolledAgain = async (device: string, devices = DEVICES): Promise<Login & Signed> => {
  const request = await deviceRequest('')
  const signed = await until(
    async () => {
      const { status, body } = await askFor(device, request, devices)
      return status === 201 ? body : assert.fail(`${status} ${body.detail}`)
    },
    { what: `the certificate of ${device}` },
  )
  return { ...signed, key: request.key }
}

const connect = ({ key, chain }: Login, options = {}): Promise<DeviceClient> => {
  const { tls } = platform.mosquitto
  assert.ok(tls)
  const ca = readFileSync(tls.caFile)
  const login = { url: tls.url, username: 'whoever', password: 'whatever' }
  return connectDevice(login, { ca, cert: chain, key, ...options })
}

/** Why the broker ended the TLS handshake, or the connection. */
const refusal = async (login: Login): Promise<string> => {
  try {
    await using device = await connect(login)
    return device.client.connected ? 'let in' : 'closed'
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code ?? (error as Error).message)
  }
}
const untilRefused = (login: Login) =>
  until(async () => (await refusal(login)) !== 'let in', { what: 'the certificate to be refused', deadlineMs: 5_000 })
const endsWithin2s = (closed: Promise<unknown>) =>
  Promise.race([closed, sleep(2_000).then(() => assert.fail('still connected after 2 s'))])

const telemetry = (device: string, name = 'trucks') => `fleets/cold/${name}/${device}/telemetry`
const reading = (temperature: number) => JSON.stringify({ ts: Date.now(), temperature })

test('a device gets a certificate for its own key, publishes with it, and the reading is in the table', async () => {
  const registered = await register('t-1')
  assert.equal(registered.secret, undefined)
  assert.equal(
    registered.next,
    `The device has no password. Send its certificate request to POST ${DEVICES}/t-1/certificate.`,
  )
  const request = await deviceRequest('CN=cold.t-1')
  const { status, body } = await askFor('t-1', request)
  assert.equal(status, 201)
  assert.equal(body.username, 'cold.t-1')
  assert.equal(body.chain.match(/BEGIN CERTIFICATE/g)?.length, 2, 'its certificate and that of the CA')
  const days = (Date.parse(body.notAfter) - Date.now()) / 864e5
  assert.ok(days > 89.9 && days < 90.1)

  await using device = await connect({ ...body, key: request.key })
  assert.equal(await publishCode(device.client, telemetry('t-1'), reading(4.2)), 0)
  assert.equal(await subscribeCode(device.client, 'fleets/cold/trucks/t-1/commands'), 1)
  assert.equal(await publishCode(device.client, telemetry('t-2'), reading(0)), NOT_AUTHORIZED)
  assert.equal(await subscribeCode(device.client, '#'), NOT_AUTHORIZED)
  await until(async () => (await platform.sql('select * from cold_trucks where temperature = 4.2')).length === 1, {
    what: 'the row',
    deadlineMs: 20_000,
  })
})

test('no password lets the device in, not even none, and the secret of another device is no help', async () => {
  const login = await enrolled('t-pw')
  const { url } = platform.mosquitto
  for (const password of ['', 'guess', 'cold.t-pw', login.serial])
    for (const protocolVersion of [4, 5] as const)
      await assert.rejects(
        connectDevice({ url, username: 'cold.t-pw', password }, { protocolVersion }),
        /Not authorized|Bad user name/i,
      )
  await assert.rejects(connectDevice({ url, username: 'cold.t-pw' }), /Not authorized|Bad user name/i)
  const rotated = await send<Problem>('POST', `${DEVICES}/t-pw/rotate`)
  assert.equal(rotated.status, 409)
  assert.match(rotated.body.next, /certificate request to POST .*\/t-pw\/certificate/)
})

test('the certificate is the name: whatever user and client id the client gives, no other session is taken over', async () => {
  const [one, two] = await Promise.all([enrolled('t-one'), enrolled('t-two')])
  await using victim = await connect(one)
  await using other = await connect(two, { username: 'cold.t-one', clientId: 'cold.t-one' })
  assert.equal(await publishCode(other.client, telemetry('t-one')), NOT_AUTHORIZED)
  assert.equal(await publishCode(other.client, telemetry('t-two'), reading(1)), 0)
  assert.equal(victim.client.connected, true)
})

test('a certificate for a device of another fleet or namespace can not be had', async () => {
  await register('t-mine')
  await register('s-1', '/v1/namespaces/warm/fleets/ships/devices')
  const { body: scoped } = await send<{ key: string }>('POST', '/v1/keys', {
    name: 'cold only',
    namespaces: ['cold'],
    verbs: ['devices:write'],
  })
  const named = await deviceRequest('CN=warm.s-1')
  const unnamed = await deviceRequest('')
  const ships = '/v1/namespaces/warm/fleets/ships/devices'
  const vans = '/v1/namespaces/cold/fleets/vans/devices'
  assert.equal((await askFor('s-1', unnamed, ships, scoped.key)).status, 403, 'a key of another namespace')
  assert.equal((await askFor('t-mine', unnamed, vans, scoped.key)).status, 404, 'a device of another fleet')
  assert.equal((await askFor('s-1', unnamed, DEVICES, scoped.key)).status, 404, 'a device of another namespace')
  const asked = await askFor('t-mine', named, DEVICES, scoped.key)
  assert.equal(asked.status, 400, "another device's name in the request")
  assert.deepEqual(
    asked.body.errors?.map(({ field }) => field),
    ['csr.subject.CN'],
  )
  assert.match(asked.body.detail, /must be cold.t-mine/)
  const readOnly = await send<{ key: string }>('POST', '/v1/keys', {
    name: 'reader',
    namespaces: ['cold'],
    verbs: ['devices:read'],
  })
  assert.equal((await askFor('t-mine', unnamed, DEVICES, readOnly.body.key)).status, 403, 'a key that may only read')
})

test('a certificate that another CA signed for the same name is refused', async () => {
  await register('t-fake')
  const { newDeviceCa } = await import('@fleetloom/api/certificates/make-ca')
  const { createDeviceCa } = await import('@fleetloom/api/certificates/ca')
  const forger = await createDeviceCa(await newDeviceCa('Fleetloom device CA', new Date()), { days: 1 })
  const { key, csr } = await deviceRequest('')
  const { chain } = await forger.issue({ username: 'cold.t-fake', csr: Buffer.from(csr), now: new Date() })
  assert.notEqual(await refusal({ key, chain }), 'let in')
  assert.notEqual(await refusal({ key: '', chain: '' }), 'let in')
})

test('revoking ends the session within 2 s, the certificate is refused from then on, and a new one is let in', async () => {
  const first = await enrolled('t-rev')
  await using device = await connect(first)
  assert.equal(await publishCode(device.client, telemetry('t-rev'), reading(1)), 0)
  const revoked = await send<{ certificates: { serial: string; revokedAt?: string }[] }>(
    'POST',
    `${DEVICES}/t-rev/certificate/revoke`,
  )
  assert.equal(revoked.status, 200)
  assert.deepEqual(
    revoked.body.certificates.map(({ serial, revokedAt }) => [serial, revokedAt === undefined]),
    [[first.serial, false]],
  )
  await endsWithin2s(device.closed)
  const early = await askFor('t-rev', await deviceRequest(''))
  assert.equal(early.status, 409, 'not before the broker has loaded the list')
  assert.ok(Number(early.headers.get('retry-after')) >= 1)
  await untilRefused(first)

  const second = await enrolledAgain('t-rev')
  await using again = await connect(second)
  assert.equal(await publishCode(again.client, telemetry('t-rev'), reading(2)), 0)
  assert.notEqual(await refusal(first), 'let in')
  assert.equal(again.client.connected, true)
})

test('a TLS session of before the revocation can not be resumed', async () => {
  const login = await enrolled('t-tls')
  await using device = await connect(login)
  assert.equal(await publishCode(device.client, telemetry('t-tls'), reading(1)), 0)
  const session = (device.client.stream as TLSSocket).getSession()
  assert.ok(session)
  await using resumed = await connect(login, { session })
  assert.equal((resumed.client.stream as TLSSocket).isSessionReused(), true)
  await send('POST', `${DEVICES}/t-tls/certificate/revoke`)
  await untilRefused(login)
  await assert.rejects(connect(login, { session }))
})

test('who slips in with a revoked certificate before the broker has the list gets no rights, then or later', async () => {
  const first = await enrolled('t-slip')
  await platform.crl?.kill()
  await send('POST', `${DEVICES}/t-slip/certificate/revoke`)
  await using thief = await connect(first)
  assert.equal(await publishCode(thief.client, telemetry('t-slip'), reading(1)), NOT_AUTHORIZED)
  await platform.crl?.start()
  await untilRefused(first)
  await enrolledAgain('t-slip')
  await endsWithin2s(thief.closed)
})

test('a disabled device is thrown out and refused, and let in again once it is enabled', async () => {
  const login = await enrolled('t-dis')
  await using device = await connect(login)
  await send('POST', `${DEVICES}/t-dis/disable`)
  await endsWithin2s(device.closed)
  await untilRefused(login)
  assert.equal((await askFor('t-dis', await deviceRequest(''))).status, 409)
  await send('POST', `${DEVICES}/t-dis/enable`)
  await using again = await until(() => connect(login), { what: 'the device to be let in again' })
  assert.equal(await publishCode(again.client, telemetry('t-dis'), reading(1)), 0)
})

test('a removed device is refused, also after its id is registered anew in another fleet', async () => {
  const login = await enrolled('t-gone')
  await using device = await connect(login)
  assert.equal((await send('DELETE', `${DEVICES}/t-gone`)).status, 204)
  await endsWithin2s(device.closed)
  await untilRefused(login)
  const vans = '/v1/namespaces/cold/fleets/vans/devices'
  const anew = await enrolled('t-gone', vans)
  assert.notEqual(await refusal(login), 'let in')
  await using other = await connect(anew)
  await platform.untilReady({ namespace: 'cold', name: 'vans' })
  await until(async () => (await publishCode(other.client, telemetry('t-gone', 'vans'), reading(1))) === 0, {
    what: 'the rights of the new fleet',
  })
  assert.equal(await publishCode(other.client, telemetry('t-gone'), reading(1)), NOT_AUTHORIZED)
})

test('a device of a fleet with passwords gets no certificate', async () => {
  const sheds = '/v1/namespaces/cold/fleets/sheds/devices'
  const { secret } = await register('shed-1', sheds)
  assert.match(secret ?? '', /^[A-Za-z0-9_-]{43}$/)
  const { status, body } = await askFor('shed-1', await deviceRequest(''), sheds)
  assert.equal(status, 409)
  assert.match(body.detail, /logs in with a password/)
})

test('a user name that fits in no certificate is refused when it is registered', async () => {
  const { status, body } = await send<Problem>('POST', DEVICES, { device: 'x'.repeat(60) })
  assert.equal(status, 400)
  assert.match(body.detail, /device: must have at most 59 characters/)
})

test('an account that the broker lost is made again by the operator, without a new certificate', async () => {
  const { url, admins } = platform.mosquitto
  const { username, value: password } = admins.test
  await using admin = await connectDevice({ url, username, password })
  const commands = [{ command: 'deleteClient', username: 'cold.t-lost' }]
  await admin.client.publishAsync('$CONTROL/dynamic-security/v1', JSON.stringify({ commands }), { qos: 1 })
  await using device = await connect(settled)
  assert.equal(await publishCode(device.client, telemetry('t-lost'), reading(1)), NOT_AUTHORIZED)
  await until(async () => (await publishCode(device.client, telemetry('t-lost'), reading(1))) === 0, {
    what: 'the account to be made again',
    deadlineMs: 70_000,
    everyMs: 500,
  })
})
