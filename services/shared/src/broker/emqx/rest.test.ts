import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerUnavailable } from '../broker.ts'
import { BrokerRefused, type Request, Rest } from './rest.ts'
import { restTo } from './testing/adapter.ts'
import { startEmqx } from './testing/server.ts'

const NODES: Request = { method: 'GET', path: ['nodes'], expect: [200] }

/** Everything that an error would show in a log. */
const shown = (error: unknown): string =>
  error instanceof Error ? `${error.stack} ${JSON.stringify(error)} ${shown(error.cause)}` : String(error)

test('what a 500 echoes is neither in the error nor behind it', async () => {
  await using emqx = await startEmqx()
  await using rest = restTo(emqx)
  emqx.faults.push({ kind: 'echoing 500' })
  const error = await rest.call(NODES).catch((fault: unknown) => fault)
  assert.ok(error instanceof BrokerUnavailable)
  assert.match(error.message, /answered GET \/nodes with 500/)
  assert.doesNotMatch(shown(error), /Basic|for-tests|authorization/i)
})

test('a broker that is busy for a moment is asked again', async () => {
  await using emqx = await startEmqx()
  await using rest = restTo(emqx)
  emqx.faults.push({ kind: 'unavailable', times: 1 }, { kind: 'reset', times: 1 })
  assert.equal((await rest.call(NODES)).status, 200)
})

test('tries are bounded', async () => {
  await using emqx = await startEmqx()
  await using rest = restTo(emqx)
  emqx.faults.push({ kind: 'unavailable' })
  await assert.rejects(rest.call(NODES), BrokerUnavailable)
  assert.equal(emqx.asked.length, 3)
})

test('a slow answer ends at the time limit', async () => {
  await using emqx = await startEmqx()
  await using rest = restTo(emqx, 50)
  emqx.faults.push({ kind: 'slow' })
  await assert.rejects(rest.call({ ...NODES, tries: 1 }), {
    name: 'BrokerUnavailable',
    message: /no answer within 50 ms/,
  })
})

test('a key that was changed in its file is read again', async () => {
  await using emqx = await startEmqx()
  let secret = 'old'
  emqx.apiKey = { key: 'k', secret: 'old' }
  await using rest = new Rest({ url: emqx.url, readKey: async () => ({ key: 'k', secret }) })
  await rest.call(NODES)
  emqx.apiKey = { key: 'k', secret: 'new' }
  secret = 'new'
  assert.equal((await rest.call(NODES)).status, 200)
})

test('requests that were under way when the key changed all go through with the new one', async () => {
  await using emqx = await startEmqx()
  let secret = 'old'
  emqx.apiKey = { key: 'k', secret: 'old' }
  await using rest = new Rest({ url: emqx.url, readKey: async () => ({ key: 'k', secret }) })
  await rest.call(NODES)
  emqx.apiKey = { key: 'k', secret: 'new' }
  secret = 'new'
  const answers = await Promise.all(Array.from({ length: 16 }, () => rest.call(NODES)))
  assert.ok(answers.every(({ status }) => status === 200))
})

test('a key that the broker does not know is an error that names the settings, and not the key', async () => {
  await using emqx = await startEmqx()
  await using rest = new Rest({ url: emqx.url, readKey: async () => ({ key: 'k', secret: 'hunter2' }) })
  const error = await rest.call(NODES).catch((fault: unknown) => fault)
  assert.match(shown(error), /EMQX_API_KEY_FILE and EMQX_API_SECRET_FILE/)
  assert.doesNotMatch(shown(error), /hunter2/)
  assert.equal(emqx.asked.length, 1)
})

test('a key whose file is gone is an error that says so', async () => {
  await using emqx = await startEmqx()
  await using rest = new Rest({ url: emqx.url, readKey: () => Promise.reject(new Error('ENOENT')) })
  await assert.rejects(rest.call(NODES), { name: 'BrokerUnavailable', message: /its API key can't be read: ENOENT/ })
})

test('what the broker says of a request that holds secrets is not repeated', async () => {
  await using emqx = await startEmqx()
  await using rest = restTo(emqx)
  const request = { method: 'POST', path: ['authentication'], body: { mechanism: 'hunter2' }, expect: [200] } as const
  await assert.rejects(rest.call(request), { message: /unsupported_mechanism/ })
  await assert.rejects(rest.call({ ...request, isSecret: true }), {
    message: 'broker refused POST /authentication: 400 BAD_REQUEST',
  })
})

test('an unreachable broker is an error that names its address', async () => {
  await using rest = new Rest({ url: 'http://127.0.0.1:1', readKey: async () => ({ key: 'k', secret: 's' }) })
  await assert.rejects(rest.call({ ...NODES, tries: 1 }), {
    name: 'BrokerUnavailable',
    message: /127\.0\.0\.1:1 does not answer/,
  })
})

test('a refusal tells the broker’s own code', async () => {
  await using emqx = await startEmqx()
  await using rest = restTo(emqx)
  await assert.rejects(rest.call({ method: 'GET', path: ['listeners', 'tcp:nope'], expect: [200] }), (error) => {
    assert.ok(error instanceof BrokerRefused)
    assert.equal(error.message, 'broker refused GET /listeners/tcp:nope: 404 BAD_LISTENER_ID Listener id not found')
    return true
  })
})

test('an address that is no EMQX of this version says so', async () => {
  await using emqx = await startEmqx()
  await using rest = restTo(emqx)
  await assert.rejects(rest.call({ method: 'GET', path: ['nope'], expect: [200] }), {
    message: /is EMQX_URL the REST API of an EMQX 5\.8\?/,
  })
})

test('segments of a path are encoded', async () => {
  await using emqx = await startEmqx()
  await using rest = restTo(emqx)
  await rest.call({ method: 'GET', path: ['listeners', 'a/b?c%#d'], expect: [404] })
  assert.equal(emqx.asked[0]?.path, 'listeners/a%2Fb%3Fc%25%23d')
})
