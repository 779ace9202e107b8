import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { connectNats } from '@fleetloom/shared/nats'
import { KeyStore } from '../../services/api/src/keys/store.ts'
import { startMosquitto } from '../kit/mosquitto.ts'
import { startNats } from '../kit/nats.ts'
import { tempDir } from '../kit/temp.ts'
import { type ApiUnderTest, fleetDocument, startApi, startApiUnderTest } from './api-under-test.ts'

const DEVICES = '/v1/namespaces/cold/fleets/reefers/devices'
type Key = { id: string; key: string }

let under: ApiUnderTest

before(async () => {
  under = await startApiUnderTest()
  await under.putFleet(fleetDocument({ namespace: 'cold', name: 'reefers' }))
})
after(() => under[Symbol.asyncDispose]())

const makeKey = async (namespaces: string[], verbs: string[]) =>
  (await under.send<Key>('POST', '/v1/keys', { body: { name: 'k', namespaces, verbs } })).body

test('the first start writes one admin key for its owner’s eyes, and nothing of it to the log', () => {
  assert.match(under.adminKey, /^flk_first_[A-Za-z0-9_-]{43}$/)
  assert.equal(statSync(under.adminKeyFile).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(dirname(under.adminKeyFile)), ['admin.key'])
  const log = readFileSync(under.api.logFile, 'utf8')
  assert.equal(log.includes(under.adminKey.slice(-43)), false)
})

test('a key opens what its scope names and nothing else, and is shown once', async () => {
  const reader = await makeKey(['cold'], ['devices:read'])
  assert.equal((await under.send('GET', DEVICES, { key: reader.key })).status, 200)
  assert.equal((await under.send('POST', DEVICES, { key: reader.key, body: { device: 'x' } })).status, 403)
  assert.equal((await under.send('GET', '/v1/namespaces/warm/fleets/f/devices', { key: reader.key })).status, 403)
  assert.equal((await under.send('GET', '/v1/keys', { key: reader.key })).status, 403)
  const list = await under.send<{ items: Record<string, unknown>[] }>('GET', '/v1/keys')
  assert.deepEqual(list.body.items.map(({ id }) => id).sort(), ['first', reader.id].sort())
  assert.equal(JSON.stringify(list.body).includes('hash'), false)
})

test('a removed key is refused at once; the last admin key can not be removed', async () => {
  const key = await makeKey(['*'], ['devices:read'])
  assert.equal((await under.send('GET', DEVICES, { key: key.key })).status, 200)
  assert.equal((await under.send('DELETE', `/v1/keys/${key.id}`)).status, 204)
  assert.equal((await under.send('GET', DEVICES, { key: key.key })).status, 401)
  assert.equal((await under.send('DELETE', `/v1/keys/${key.id}`)).status, 404)
  assert.equal((await under.send('DELETE', '/v1/keys/first')).status, 409)
})

test('of two admin keys that two replicas remove at the same moment one stays', async () => {
  const kv = await under.client.bucket('two-replicas')
  const [one, other] = [new KeyStore(kv), new KeyStore(kv)]
  const make = async () => (await one.create({ name: 'k', namespaces: ['*'], verbs: ['*'] }))?.id ?? ''
  const [a, b] = [await make(), await make()]
  const outcomes = await Promise.allSettled([one.remove(a), other.remove(b)])
  assert.ok(outcomes.some(({ status }) => status === 'rejected'))
  assert.ok((await one.list()).length > 0)
})

test('an unknown id, a wrong secret and no key at all get one answer', async () => {
  const answers = await Promise.all(
    [null, 'nonsense', `flk_unknown_${'x'.repeat(43)}`, `flk_first_${'x'.repeat(43)}`].map((key) =>
      under.send<Record<string, unknown>>('GET', DEVICES, { key }),
    ),
  )
  for (const { status, body } of answers) {
    const { requestId, ...rest } = body
    const { requestId: _, ...first } = answers[0]?.body ?? {}
    assert.deepEqual([status, rest], [401, first])
  }
})

test('a scope that is not one is refused by field', async () => {
  const body = { name: 'k', namespaces: ['No'], verbs: ['devices:steal'] }
  const { status, body: problem } = await under.send<{ errors: { field: string }[] }>('POST', '/v1/keys', { body })
  assert.equal(status, 400)
  assert.deepEqual(
    problem.errors.map(({ field }) => field),
    ['namespaces.0', 'verbs.0'],
  )
})

test('two replicas that start at once make one key between them; keys that are gone do not come back', async () => {
  await using nats = await startNats()
  await using mosquitto = await startMosquitto()
  await using folder = tempDir('replicas')
  const fileOf = (name: string) => join(folder.path, `${name}.key`)
  const start = (name: string) => startApi({ nats, mosquitto, adminKeyFile: fileOf(name) })
  const status = async (url: string, key: string) =>
    (await fetch(`${url}/v1/keys`, { headers: { authorization: `Bearer ${key}` } })).status
  await using stack = new AsyncDisposableStack()
  const replicas = await Promise.all([start('a'), start('b')])
  for (const replica of replicas) stack.use(replica)
  const made = ['a', 'b'].map(fileOf).filter((file) => existsSync(file))
  assert.equal(made.length, 1)
  const key = readFileSync(made[0] as string, 'utf8').trim()
  for (const { url } of replicas) assert.equal(await status(url, key), 200)

  await using client = await connectNats('test', nats.settings('admin'))
  await (await client.bucket(namesOf().buckets.keys)).delete('first')
  const third = stack.use(await start('c'))
  assert.equal(existsSync(fileOf('c')), false)
  assert.equal(await status(third.url, key), 401)
})

test('a first key that was put in place beforehand is taken as it is', async () => {
  await using nats = await startNats()
  await using mosquitto = await startMosquitto()
  await using folder = tempDir('given')
  const adminKeyFile = join(folder.path, 'admin.key')
  const key = `flk_given_${'k'.repeat(43)}`
  writeFileSync(adminKeyFile, `${key}\n`)
  await using api = await startApi({ nats, mosquitto, adminKeyFile })
  const answer = await fetch(`${api.url}/v1/keys`, { headers: { authorization: `Bearer ${key}` } })
  assert.equal(answer.status, 200)
})
