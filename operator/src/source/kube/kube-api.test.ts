import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KubeError } from './kube-api.ts'
import { json, scriptedApi } from './testing.ts'

const GET = { method: 'GET', path: '/apis/a' } as const
const throttled = json(429, { reason: 'TooManyRequests', message: 'slow down' }, { 'retry-after': '0' })

test('a read that is throttled is asked again', async () => {
  await using server = await scriptedApi(throttled, throttled, json(200, { ok: 1 }))
  assert.deepEqual(await server.api.request(GET), { ok: 1 })
  assert.equal(server.asked.length, 3)
})

test('a read is not asked again for ever', async () => {
  await using server = await scriptedApi(throttled)
  await assert.rejects(server.api.request(GET), { status: 429, message: 'slow down' })
  assert.equal(server.asked.length, 5)
})

test('a write that is throttled is not sent again: the caller must ask whether it still may', async () => {
  await using server = await scriptedApi(throttled, json(200, {}))
  await assert.rejects(server.api.request({ ...GET, method: 'PATCH', body: {} }), { status: 429 })
  assert.equal(server.asked.length, 1)
})

test('an error says what the server says, and never the token', async () => {
  const say = json(422, { kind: 'Status', reason: 'Invalid', message: 'spec.a: Required value' })
  await using server = await scriptedApi(say)
  const error = await server.api.request(GET).catch((fault: unknown) => fault)
  assert.ok(error instanceof KubeError)
  assert.deepEqual([error.status, error.reason, error.message], [422, 'Invalid', 'spec.a: Required value'])
  assert.ok(!JSON.stringify(error, Object.getOwnPropertyNames(error)).includes('secret-token'))
})

test('an answer that is no JSON is an error with its beginning', async () => {
  await using server = await scriptedApi((_, response) => void response.writeHead(502).end('<html>bad gateway</html>'))
  await assert.rejects(server.api.request(GET), { status: 502, message: '<html>bad gateway</html>' })
})
