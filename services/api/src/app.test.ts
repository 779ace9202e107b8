import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import { NO_SECRET } from '@fleetloom/shared/registry/secret'
import { Registry as Metrics } from 'prom-client'
import { type AppParts, createApp } from './app.ts'
import type { ApiKey } from './keys/key.ts'

const OPEN = ['/healthz', '/readyz', '/metrics', '/v1/device-ca/crl']
const DEVICES = '/v1/namespaces/ns/fleets/f/devices'

const key = (namespaces: string[], verbs: ApiKey['verbs']): ApiKey => ({
  version: '1.0',
  id: 'test',
  name: 'test',
  namespaces,
  verbs,
  secret: NO_SECRET,
  createdAt: '2026-01-01T00:00:00.000Z',
})

const KEYS: Readonly<Record<string, ApiKey>> = {
  admin: key(['*'], ['*']),
  elsewhere: key(['other'], ['*']),
  nothing: key(['*'], ['devices:read']),
  reader: key(['ns'], ['devices:read', 'dead-letters:read', 'alerts:read']),
}

/** Answers as a back-end that must not be reached. */
const untouched = new Proxy(
  {},
  {
    get: () => () => {
      throw new TypeError('secret internals at /some/path.ts:1')
    },
  },
) as never

const UNTOUCHED_KEYS = { create: untouched, list: untouched, remove: untouched, isUnused: untouched }

const appWith = (parts: Partial<AppParts> = {}, metrics = new Metrics()) =>
  createApp({
    keys: { ...UNTOUCHED_KEYS, authenticate: async (text: string) => KEYS[text] },
    registry: untouched,
    fleets: untouched,
    provisioning: untouched,
    certificates: untouched,
    revocation: { ca: undefined, refused: untouched, isCurrent: () => true, now: () => new Date() },
    letters: untouched,
    replay: untouched,
    alerts: { firing: untouched, silences: untouched, query: undefined, table: 'alerts' },
    events: { poster: untouched, counters: untouched, query: untouched, now: Date.now },
    history: undefined,
    presence: untouched,
    checks: { nats: async () => undefined },
    metrics,
    log: createLogger('test', 'silent'),
    ...parts,
  })

const send = (app: ReturnType<typeof appWith>, path: string, init: RequestInit & { as?: string } = {}) => {
  const headers = { ...(init.as === undefined ? {} : { authorization: `Bearer ${init.as}` }), ...init.headers }
  return app.request(path, { ...init, headers })
}

const routesOf = (app: ReturnType<typeof appWith>) =>
  app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => ({
      method,
      path: path
        .replace(':namespace', 'ns')
        .replace(':fleet', 'f')
        .replace(':device', 'd')
        .replace(':id', '1234')
        .replace(':rule', 'r'),
    }))

test('every route but health and metrics answers 401 without a key, and says nothing more with a wrong one', async () => {
  const app = appWith()
  const routes = routesOf(app)
  assert.ok(routes.length > 12)
  for (const { method, path } of [...routes, { method: 'GET', path: '/v1/nothing' }, { method: 'GET', path: '/' }]) {
    if (OPEN.includes(path)) continue
    const bodies = []
    for (const as of [undefined, 'flk_unknown_x', 'admin more']) {
      const response = await send(app, path, { method, ...(as === undefined ? {} : { as }) })
      assert.equal(response.status, 401, `${method} ${path}`)
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
      assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="fleetloom"')
      const { requestId, ...body } = (await response.json()) as { requestId: string }
      assert.match(requestId, /^[0-9a-f-]{36}$/)
      bodies.push(body)
    }
    assert.deepEqual(bodies[1], bodies[0])
    assert.deepEqual(bodies[2], bodies[0])
  }
})

test('every route asks for its verb in the namespace of its path', async () => {
  const app = appWith()
  const closed = routesOf(app).filter(({ path }) => !OPEN.includes(path))
  const ofAllNamespaces = (path: string) => path.startsWith('/v1/alert')
  const reads = (method: string, path: string) => method === 'GET' && !path.startsWith('/v1/keys')
  const deniedTo = {
    elsewhere: closed.filter(({ path }) => !ofAllNamespaces(path)),
    nothing: closed.filter(({ method, path }) => !(method === 'GET' && path.includes('/devices'))),
    reader: closed.filter(({ method, path }) => !reads(method, path)),
  }
  for (const [as, routes] of Object.entries(deniedTo))
    for (const { method, path } of routes)
      assert.equal((await send(app, path, { method, as })).status, 403, `${as} ${method} ${path}`)
})

test('a key sees the alerts of its namespaces only', async () => {
  const scopes: unknown[] = []
  const firing = {
    list: async (scope: unknown) => {
      scopes.push(scope)
      return { alerts: [], next: undefined }
    },
    get: untouched,
    acknowledge: untouched,
  }
  const app = appWith({ alerts: { firing, silences: untouched, query: undefined, table: 'alerts' } })
  assert.equal((await send(app, '/v1/alerts', { as: 'elsewhere' })).status, 200)
  assert.equal((await send(app, '/v1/alerts', { as: 'admin' })).status, 200)
  assert.equal((await send(app, '/v1/alerts?namespace=ns', { as: 'admin' })).status, 200)
  assert.equal((await send(app, '/v1/alerts?namespace=ns', { as: 'elsewhere' })).status, 403)
  assert.equal((await send(app, '/v1/alerts/history?namespace=ns', { as: 'elsewhere' })).status, 403)
  assert.deepEqual(scopes, [['other'], '*', ['ns']])
})

test('without a database the history is a problem that says what to set', async () => {
  const response = await send(appWith(), '/v1/alerts/history', { as: 'admin' })
  assert.equal(response.status, 503)
  assert.match(((await response.json()) as { next: string }).next, /QUESTDB_URL/)
})

test('a path that is not there is a problem that says where the API begins', async () => {
  const response = await send(appWith(), '/v1/namespaces/ns/devices', { as: 'admin' })
  assert.equal(response.status, 404)
  const { requestId, ...problem } = (await response.json()) as Record<string, unknown>
  assert.deepEqual(problem, {
    type: 'urn:fleetloom:problem:not-found',
    title: 'There is no such thing',
    status: 404,
    detail: 'there is no GET /v1/namespaces/ns/devices',
    next:
      'Its resources are /v1/alert-rules, /v1/alerts, /v1/device-ca, /v1/keys, /v1/namespaces/{namespace}/alerts, ' +
      '/v1/namespaces/{namespace}/fleets/{fleet}/dead-letters, /v1/namespaces/{namespace}/fleets/{fleet}/devices, ' +
      '/v1/namespaces/{namespace}/fleets/{fleet}/events, /v1/namespaces/{namespace}/silences.',
  })
})

test('a fault of ours tells the caller a request id and nothing of the inside', async () => {
  const response = await send(appWith(), `${DEVICES}/d`, { as: 'admin' })
  assert.equal(response.status, 500)
  const text = await response.text()
  assert.equal(text.includes('internals'), false)
  assert.equal(JSON.parse(text).requestId, response.headers.get('x-request-id'))
})

test('a name in the path that can not be one is refused before anything is asked for it', async () => {
  const cases = [
    ['/v1/namespaces/a.b/fleets/f/devices', 'namespace', 'a.b'],
    ['/v1/namespaces/ns/fleets/F/devices', 'fleet', 'F'],
    [`${DEVICES}/-x`, 'device', '-x'],
    [`${DEVICES}/a%20b`, 'device', 'a b'],
    [`${DEVICES}/${'x'.repeat(129)}`, 'device', 'x'.repeat(100)],
  ] as const
  for (const [path, field, value] of cases) {
    const response = await send(appWith(), path, { as: 'admin' })
    const { errors } = (await response.json()) as { errors: { field: string; value: string }[] }
    assert.equal(response.status, 400, path)
    assert.deepEqual(
      errors.map(({ field, value }) => ({ field, value })),
      [{ field, value }],
    )
  }
})

test('a body that breaks a rule names each field, its value and the reason', async () => {
  const fleets = { get: untouched, getActive: async () => ({}) as never }
  const body = JSON.stringify({ device: 'a b', labels: { 'bad key!': 'x', ok: 'bad value!' }, extra: 1 })
  const headers = { 'content-type': 'application/json' }
  const response = await send(appWith({ fleets }), DEVICES, { method: 'POST', as: 'admin', headers, body })
  assert.equal(response.status, 400)
  const { errors } = (await response.json()) as { errors: { field: string }[] }
  assert.deepEqual(errors.map(({ field }) => field).sort(), ['device', 'extra', 'labels.bad key!', 'labels.ok'])
})

test('a body with thousands of faults is answered with the first of them and how many more there are', async () => {
  const fleets = { get: untouched, getActive: async () => ({}) as never }
  const labels = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`-${i}`, '']))
  const body = JSON.stringify({ device: 'a', labels })
  const headers = { 'content-type': 'application/json' }
  const response = await send(appWith({ fleets }), DEVICES, { method: 'POST', as: 'admin', headers, body })
  const problem = (await response.json()) as { detail: string; errors: unknown[] }
  assert.equal(problem.errors.length, 20)
  assert.match(problem.detail, /; and 4980 more$/)
})

test('a field named __proto__ is refused, not passed over', async () => {
  const fleets = { get: untouched, getActive: async () => ({}) as never }
  const headers = { 'content-type': 'application/json' }
  const body = '{"device":"a","labels":{"__proto__":"x"}}'
  const response = await send(appWith({ fleets }), DEVICES, { method: 'POST', as: 'admin', headers, body })
  assert.equal(response.status, 400)
  assert.match(((await response.json()) as { detail: string }).detail, /no field can be named __proto__/)
})

test('what is not JSON, too large or of another type is refused', async () => {
  const app = appWith({ fleets: { get: untouched, getActive: async () => ({}) as never } })
  const post = async (contentType: string, body: string) =>
    (await send(app, DEVICES, { method: 'POST', as: 'admin', headers: { 'content-type': contentType }, body })).status
  assert.equal(await post('application/json', '{"device":'), 400)
  assert.equal(await post('application/json', JSON.stringify({ device: 'x'.repeat(70_000) })), 413)
  assert.equal(await post('text/plain', '{}'), 415)
})

test('a query with a bad selector, limit or token is refused by name', async () => {
  const response = await send(appWith(), `${DEVICES}?labelSelector=a%3E1&limit=0&continue=x&nope=1`, { as: 'admin' })
  const { errors } = (await response.json()) as { errors: { field: string }[] }
  assert.equal(response.status, 400)
  assert.deepEqual(errors.map(({ field }) => field).sort(), ['continue', 'labelSelector', 'limit', 'nope'])
})

test('readiness names the dependency that does not answer', async () => {
  const checks = { nats: async () => undefined, broker: async () => Promise.reject(new Error('gone')) }
  const response = await send(appWith({ checks }), '/readyz')
  assert.equal(response.status, 503)
  assert.deepEqual(await response.json(), { ready: false, checks: { nats: 'ok', broker: 'gone' } })
})

test('requests are counted by route template, never by what stands in the path', async () => {
  const metrics = new Metrics()
  const app = appWith({}, metrics)
  await send(app, `${DEVICES}/private-name`, { as: 'reader' })
  await send(app, '/some/private-name')
  const text = await metrics.metrics()
  assert.match(
    text,
    /_count\{method="GET",route="\/v1\/namespaces\/:namespace\/fleets\/:fleet\/devices\/:device",status="500"\} 1/,
  )
  assert.match(text, /_count\{method="GET",route="unmatched",status="401"\} 1/)
  assert.equal(text.includes('private-name'), false)
})

test('without a device CA the revocation list is a problem that says how to configure one', async () => {
  const response = await send(appWith(), '/v1/device-ca/crl')
  const { type, next } = (await response.json()) as { type: string; next: string }
  assert.equal(response.status, 501)
  assert.equal(type, 'urn:fleetloom:problem:not-configured')
  assert.match(next, /make-device-ca\.ts.*DEVICE_CA_CERT_FILE and DEVICE_CA_KEY_FILE/)
})

test('a certificate request of another type, or too large, is refused before it is looked at', async () => {
  const record = { namespace: 'ns', fleet: 'f', device: 'd' }
  const registry = { ...({} as AppParts['registry']), get: async () => ({ record, revision: 1 }) as never }
  const app = appWith({ registry })
  const post = async (contentType: string, body: string) => {
    const headers = { 'content-type': contentType }
    return (await send(app, `${DEVICES}/d/certificate`, { method: 'POST', as: 'admin', headers, body })).status
  }
  assert.equal(await post('text/plain', 'x'), 415)
  assert.equal(await post('application/pkcs10', 'x'.repeat(9_000)), 413)
  assert.equal(await post('application/json', JSON.stringify({ csr: 'x'.repeat(9_000) })), 400)
  assert.equal(await post('application/json', JSON.stringify({ csr: 'x', days: 3650 })), 400)
})
