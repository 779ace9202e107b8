import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { followDevices } from '@fleetloom/shared/registry/follow'
import {
  DeviceExists,
  type Entry,
  type NewDevice,
  Registry,
  RevisionConflict,
} from '@fleetloom/shared/registry/registry'
import { hashSecret, newSecret, verifySecret } from '@fleetloom/shared/registry/secret'
import type { KV } from '@nats-io/kv'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { until } from '../kit/until.ts'
import { quiet } from './api-under-test.ts'

const bucket = namesOf().buckets.devices

let stack: AsyncDisposableStack
let server: NatsServer
let nats: Nats
let kv: KV
let registry: Registry

before(async () => {
  stack = new AsyncDisposableStack()
  server = stack.use(await startNats())
  nats = stack.use(await connectNats('test', server.settings('admin')))
  kv = await nats.bucket(bucket)
  registry = new Registry({ kv, jsm: nats.jsm, bucket })
})
after(() => stack.disposeAsync())

const device = (id: string, change: Partial<NewDevice> = {}): NewDevice => ({
  namespace: 'cold',
  fleet: 'reefers',
  device: id,
  type: '',
  labels: {},
  displayName: '',
  authentication: 'Password',
  secret: hashSecret(newSecret()),
  ...change,
})

test('of many writers of one id one wins, and the others are told who has it', async () => {
  const outcomes = await Promise.allSettled(
    ['a', 'b', 'c', 'd'].map((fleet) => registry.create(device('race', { fleet }))),
  )
  const winner = outcomes.find((outcome) => outcome.status === 'fulfilled')?.value.record.fleet
  const losers = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  assert.equal(losers.length, 3)
  for (const error of losers) assert.ok(error instanceof DeviceExists && error.fleet === winner)
})

test('the same id lives side by side in two namespaces, and ids with dots are themselves', async () => {
  await registry.create(device('a.b'))
  await registry.create(device('a.b', { namespace: 'warm', fleet: 'ovens' }))
  assert.equal((await registry.get('cold', 'a.b'))?.record.fleet, 'reefers')
  assert.equal((await registry.get('warm', 'a.b'))?.record.fleet, 'ovens')
  assert.equal(await registry.get('cold', 'a'), undefined)
})

test('concurrent changes all land; a change of an old revision does not', async () => {
  const { revision } = await registry.create(device('busy'))
  const name = { namespace: 'cold', device: 'busy' }
  await Promise.all(
    ['a', 'b', 'c'].map((label) =>
      registry.change(name, (record) => ({ ...record, labels: { ...record.labels, [label]: '1' } })),
    ),
  )
  assert.deepEqual((await registry.get('cold', 'busy'))?.record.labels, { a: '1', b: '1', c: '1' })
  await assert.rejects(
    registry.change(name, (record) => record, revision),
    RevisionConflict,
  )
})

test('a removed device leaves a tombstone that no old read brings back and no secret fits', async () => {
  const secret = newSecret()
  const { revision } = await registry.create(device('gone', { secret: hashSecret(secret), labels: { a: 'b' } }))
  await registry.remove({ namespace: 'cold', device: 'gone' })
  assert.equal(await registry.get('cold', 'gone'), undefined)
  const tombstone = (await registry.read('cold', 'gone')) as Entry
  assert.match(tombstone.record.removedAt ?? '', /^\d{4}-/)
  assert.equal(verifySecret(secret, tombstone.record.secret), false)
  assert.deepEqual(tombstone.record.labels, {})
  await assert.rejects(kv.update('cold.gone', 'old', revision))
  assert.equal(await registry.change({ namespace: 'cold', device: 'gone' }, (record) => record), undefined)
  assert.equal((await registry.create(device('gone', { fleet: 'trucks' }))).record.fleet, 'trucks')
})

test('pages hold every device of a namespace once, however many there are', async () => {
  const ids = Array.from({ length: 1_000 }, (_, i) => `d-${i}`)
  const secret = hashSecret('x')
  await Promise.all(
    ids.map((id, i) => registry.create(device(id, { namespace: i % 4 === 0 ? 'other' : 'big', secret }))),
  )
  const listed: string[] = []
  for (let from: number | undefined = 1; from !== undefined; ) {
    const page: Awaited<ReturnType<Registry['list']>> = await registry.list({ namespace: 'big', limit: 300, from })
    assert.ok(page.entries.length <= 300)
    listed.push(...page.entries.map(({ record }) => record.device))
    from = page.next
  }
  assert.deepEqual(listed.sort(), ids.filter((_, i) => i % 4 !== 0).sort())
  const odd = await Array.fromAsync(registry.all({ namespace: 'other', match: ({ device: id }) => id.endsWith('0') }))
  assert.equal(odd.length, ids.filter((id, i) => i % 4 === 0 && id.endsWith('0')).length)
})

test('a follower hears what is there, each change and each removal, also across a restart of NATS', async () => {
  const heard = new Map<string, Entry>()
  await registry.create(device('f-1', { namespace: 'follow' }))
  await using _following = await followDevices({
    kv,
    log: quiet,
    onDevice: (entry) => entry.record.namespace === 'follow' && heard.set(entry.record.device, entry),
  })
  assert.deepEqual([...heard.keys()], ['f-1'])
  await server.kill()
  await server.start()
  await until(() => registry.create(device('f-2', { namespace: 'follow' })), { what: 'a second device' })
  await registry.remove({ namespace: 'follow', device: 'f-1' })
  await until(() => heard.has('f-2') && heard.get('f-1')?.record.removedAt !== undefined, { what: 'both changes' })
})

test('certificates are revoked with their device, and stay on the record of who is registered over it', async () => {
  const [at, notAfter] = ['2026-01-01T00:00:00.000Z', '2036-01-01T00:00:00.000Z']
  const before = { serial: '01', issuedAt: at, notAfter, revokedAt: at }
  const name = await registry.create(device('cert', { authentication: 'Certificate' }))
  const certificates = [before, { serial: '02', issuedAt: at, notAfter }]
  await registry.change(name.record, (now) => ({ ...now, certificates }))
  const removed = await registry.remove(name.record)
  const removedAt = removed?.record.removedAt
  assert.deepEqual(removed?.record.certificates, [before, { ...certificates[1], revokedAt: removedAt }])
  const anew = await registry.create(device('cert', { fleet: 'trucks', authentication: 'Certificate' }))
  assert.deepEqual(anew.record.certificates, removed?.record.certificates)
  assert.deepEqual((await registry.get('cold', 'cert'))?.record, anew.record)
})
