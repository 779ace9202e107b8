import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { transitionOf } from '../testing.ts'
import { parseNetworks } from './address.ts'
import { outcomeOf, postWebhook, retryAfterMs } from './webhook.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')

test('what a status means', () => {
  const kinds = Object.fromEntries(
    [200, 204, 301, 302, 400, 401, 403, 404, 408, 410, 429, 500, 503].map((status) => [
      status,
      outcomeOf(status, undefined, NOW).kind,
    ]),
  )
  assert.deepEqual(kinds, {
    200: 'sent',
    204: 'sent',
    301: 'refused',
    302: 'refused',
    400: 'refused',
    401: 'retry',
    403: 'retry',
    404: 'retry',
    408: 'retry',
    410: 'refused',
    429: 'retry',
    500: 'retry',
    503: 'retry',
  })
})

test('Retry-After is seconds or a date, and an hour at most', () => {
  assert.equal(retryAfterMs('120', NOW), 120_000)
  assert.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', NOW), 30_000)
  assert.equal(retryAfterMs('Wed, 31 Dec 2025 00:00:00 GMT', NOW), 0)
  assert.equal(retryAfterMs('999999', NOW), 3_600_000)
  assert.equal(retryAfterMs('soon', NOW), undefined)
  assert.equal(retryAfterMs(undefined, NOW), undefined)
})

test('an answer that does not come ends the attempt, and its connection', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const closed = new Promise((resolve) => server.once('connection', (socket) => socket.once('close', resolve)))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const settings = { timeoutMs: 100, allowed: parseNetworks('127.0.0.0/8'), now: Date.now }
  assert.deepEqual(
    await postWebhook(transitionOf(), { url, secret: undefined, signal: new AbortController().signal }, settings),
    {
      kind: 'retry',
      reason: 'no answer within 100 ms',
    },
  )
  await closed
  server.close()
})
