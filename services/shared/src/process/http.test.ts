import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { processRoutes, readinessOf, serveHttp } from './http.ts'

const serve = (checks: Parameters<typeof processRoutes>[1]) =>
  serveHttp({ host: '127.0.0.1', port: 0 }, processRoutes(new Registry(), checks))

test('readyz names each dependency with ok or the reason', async () => {
  await using server = await serve({
    nats: async () => undefined,
    database: () => Promise.reject(new Error('connection refused')),
  })
  const response = await fetch(`http://127.0.0.1:${server.port}/readyz`)
  assert.equal(response.status, 503)
  assert.deepEqual(await response.json(), { ready: false, checks: { nats: 'ok', database: 'connection refused' } })
})

test('however many ask for readiness at once, a dependency is asked once', async () => {
  let asked = 0
  const answer = Promise.withResolvers<void>()
  const check = () => {
    asked++
    return answer.promise
  }
  const readiness = readinessOf({ broker: check })
  const answers = [readiness(), readiness(), readiness()]
  answer.resolve()
  for (const one of await Promise.all(answers)) assert.deepEqual(one, { ready: true, checks: { broker: 'ok' } })
  assert.equal(asked, 1)
  await readiness()
  assert.equal(asked, 2)
})

test('healthz answers while a dependency is away, and an unknown path names the known ones', async () => {
  await using server = await serve({ nats: () => Promise.reject(new Error('away')) })
  assert.equal((await fetch(`http://127.0.0.1:${server.port}/healthz`)).status, 200)
  const unknown = await fetch(`http://127.0.0.1:${server.port}/nope`)
  assert.equal(unknown.status, 404)
  assert.deepEqual(await unknown.json(), { error: 'no such path: /nope', paths: ['/healthz', '/readyz', '/metrics'] })
})
