import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { deviceRequest } from '../kit/certificates.ts'
import type { Child } from '../kit/child.ts'
import { until } from '../kit/until.ts'
import {
  type CertificatesUnderTest,
  type Login,
  NOT_AUTHORIZED,
  type Problem,
  reading,
  SHEDS,
  SHIPS,
  startCertificates,
  TRUCKS,
  telemetry,
  VANS,
} from './certificates-under-test.ts'
import { connectDevice, publishCode, subscribeCode } from './mqtt-device.ts'

let under: CertificatesUnderTest
/** A device that has been there for a while by the last test. */
let settled: Login

before(async () => {
  under = await startCertificates()
  settled = await under.registerAndEnrol('t-lost')
})
after(() => under?.[Symbol.asyncDispose]())

test('a device gets a certificate for its own key, publishes with it, and the reading is in the table', async () => {
  const registered = await under.register('t-1')
  assert.equal(registered.secret, undefined)
  assert.equal(
    registered.next,
    `The device has no password. Send its certificate request to POST ${TRUCKS}/t-1/certificate.`,
  )
  const request = await deviceRequest('CN=cold.t-1')
  const { status, body } = await under.askFor('t-1', request)
  assert.equal(status, 201)
  assert.equal(body.username, 'cold.t-1')
  assert.equal(body.chain.match(/BEGIN CERTIFICATE/g)?.length, 2, 'its certificate and that of the CA')
  const days = (Date.parse(body.notAfter) - Date.now()) / 864e5
  assert.ok(days > 89.9 && days < 90.1)

  await using device = await under.connect({ ...body, key: request.key })
  assert.equal(await publishCode(device.client, telemetry('t-1'), reading(4.2)), 0)
  assert.equal(await subscribeCode(device.client, 'fleets/cold/trucks/t-1/commands'), 1)
  assert.equal(await publishCode(device.client, telemetry('t-2'), reading(0)), NOT_AUTHORIZED)
  assert.equal(await subscribeCode(device.client, '#'), NOT_AUTHORIZED)
  await until(
    async () => (await under.platform.sql('select * from cold_trucks where temperature = 4.2')).length === 1,
    {
      what: 'the row',
      deadlineMs: 20_000,
    },
  )
})

test('no password lets the device in, not even none, and the secret of another device is no help', async () => {
  const login = await under.registerAndEnrol('t-pw')
  const { url } = under.platform.mosquitto
  for (const password of ['', 'guess', 'cold.t-pw', login.serial])
    for (const protocolVersion of [4, 5] as const)
      await assert.rejects(
        connectDevice({ url, username: 'cold.t-pw', password }, { protocolVersion }),
        /Not authorized|Bad user name/i,
      )
  await assert.rejects(connectDevice({ url, username: 'cold.t-pw' }), /Not authorized|Bad user name/i)
  const rotated = await under.send<Problem>('POST', `${TRUCKS}/t-pw/rotate`)
  assert.equal(rotated.status, 409)
  assert.match(rotated.body.next, /certificate request to POST .*\/t-pw\/certificate/)
})

test('the certificate is the name: whatever user and client id the client gives, no other session is taken over', async () => {
  const [one, two] = await Promise.all([under.registerAndEnrol('t-one'), under.registerAndEnrol('t-two')])
  await using victim = await under.connect(one)
  await using other = await under.connect(two, { username: 'cold.t-one', clientId: 'cold.t-one' })
  assert.equal(await publishCode(other.client, telemetry('t-one')), NOT_AUTHORIZED)
  assert.equal(await publishCode(other.client, telemetry('t-two'), reading(1)), 0)
  assert.equal(victim.client.connected, true)
})

test('a certificate for a device of another fleet or namespace can not be had', async () => {
  await under.register('t-mine')
  await under.register('s-1', SHIPS)
  const { body: scoped } = await under.send<{ key: string }>('POST', '/v1/keys', {
    name: 'cold only',
    namespaces: ['cold'],
    verbs: ['devices:write'],
  })
  const named = await deviceRequest('CN=warm.s-1')
  const unnamed = await deviceRequest('')
  assert.equal((await under.askFor('s-1', unnamed, SHIPS, scoped.key)).status, 403, 'a key of another namespace')
  assert.equal((await under.askFor('t-mine', unnamed, VANS, scoped.key)).status, 404, 'a device of another fleet')
  assert.equal((await under.askFor('s-1', unnamed, TRUCKS, scoped.key)).status, 404, 'a device of another namespace')
  const asked = await under.askFor('t-mine', named, TRUCKS, scoped.key)
  assert.equal(asked.status, 400, "another device's name in the request")
  assert.deepEqual(
    asked.body.errors?.map(({ field }) => field),
    ['csr.subject.CN'],
  )
  assert.match(asked.body.detail, /must be cold.t-mine/)
  const readOnly = await under.send<{ key: string }>('POST', '/v1/keys', {
    name: 'reader',
    namespaces: ['cold'],
    verbs: ['devices:read'],
  })
  assert.equal(
    (await under.askFor('t-mine', unnamed, TRUCKS, readOnly.body.key)).status,
    403,
    'a key that may only read',
  )
})

test('a certificate that another CA signed for the same name is refused', async () => {
  await under.register('t-fake')
  const { newDeviceCa } = await import('@fleetloom/api/certificates/make-ca')
  const { createDeviceCa } = await import('@fleetloom/api/certificates/ca')
  const forger = await createDeviceCa(await newDeviceCa('Fleetloom device CA', new Date()), { days: 1 })
  const { key, csr } = await deviceRequest('')
  const { chain } = await forger.issue({ username: 'cold.t-fake', csr: Buffer.from(csr), now: new Date() })
  assert.equal(await under.isLetIn({ key, chain }), false)
  assert.equal(await under.isLetIn({ key: '', chain: '' }), false)
})

test('a device of a fleet with passwords gets no certificate', async () => {
  const { secret } = await under.register('shed-1', SHEDS)
  assert.match(secret ?? '', /^[A-Za-z0-9_-]{43}$/)
  const { status, body } = await under.askFor('shed-1', await deviceRequest(''), SHEDS)
  assert.equal(status, 409)
  assert.match(body.detail, /logs in with a password/)
})

test('a user name that fits in no certificate is refused when it is registered, one by one and in bulk', async () => {
  const device = 'x'.repeat(60)
  const { status, body } = await under.send<Problem>('POST', TRUCKS, { device })
  assert.equal(status, 400)
  assert.match(body.detail, /device: must have at most 59 characters/)
  const lines = [{ device }, { device: 'y'.repeat(59) }].map((line) => JSON.stringify(line)).join('\n')
  const bulk = await under.sendLines(TRUCKS, lines)
  assert.deepEqual(
    bulk.map(({ status: code, username, secret }) => [code, username, secret]),
    [
      [400, undefined, undefined],
      [201, `cold.${'y'.repeat(59)}`, undefined],
    ],
  )
  const longest = await under.enrol('y'.repeat(59))
  await using connected = await under.connect(longest)
  assert.equal(await publishCode(connected.client, telemetry('y'.repeat(59)), reading(1)), 0)
})

test('a certificate that has expired is refused', async () => {
  const { deviceCa } = under.platform
  assert.ok(deviceCa)
  const { loadDeviceCa } = await import('@fleetloom/api/certificates/ca')
  const ca = await loadDeviceCa(deviceCa, { days: 1 })
  const { key, csr } = await deviceRequest('')
  const issue = (now: Date) => ca.issue({ username: 'cold.t-old', csr: Buffer.from(csr), now })
  const [old, present] = await Promise.all([issue(new Date(Date.now() - 2 * 864e5)), issue(new Date())])
  assert.equal(await under.isLetIn({ key, chain: present.chain }), true)
  assert.equal(await under.isLetIn({ key, chain: old.chain }), false)
})

/** A process stands still while something is done. */
const whileStopped = async <T>({ pid }: Child, work: () => Promise<T>): Promise<T> => {
  assert.ok(pid)
  process.kill(pid, 'SIGSTOP')
  try {
    return await work()
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

test('an account that the broker lost is made again by the operator, without a new certificate', async () => {
  const { url, admins } = under.platform.mosquitto
  const { username, value: password } = admins.test
  await using admin = await connectDevice({ url, username, password })
  const commands = [{ command: 'deleteClient', username: 'cold.t-lost' }]
  await using stack = new AsyncDisposableStack()
  const { client } = await whileStopped(under.platform.operator, async () => {
    await admin.client.publishAsync('$CONTROL/dynamic-security/v1', JSON.stringify({ commands }), { qos: 1 })
    const device = stack.use(await under.connect(settled))
    assert.equal(await publishCode(device.client, telemetry('t-lost'), reading(1)), NOT_AUTHORIZED)
    return device
  })
  await until(async () => (await publishCode(client, telemetry('t-lost'), reading(1))) === 0, {
    what: 'the account to be made again',
    deadlineMs: 70_000,
    everyMs: 500,
  })
})
