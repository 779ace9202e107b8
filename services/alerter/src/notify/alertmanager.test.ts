import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { createLogger } from '@fleetloom/shared/process/logger'
import { transitionOf } from '../testing.ts'
import type { PostableAlert } from './alert.ts'
import { Alertmanager, MOST_BYTES } from './alertmanager.ts'

/**
 * Takes alerts as Alertmanager does: those that are right, although it answers 400 when one of them is not. With another status it
 * takes nothing of such a request.
 */
const startServer = async (status = 400) => {
  const taken: string[] = []
  const bytes: number[] = []
  let requests = 0
  const server = createServer(async (request, response) => {
    requests++
    const body = await text(request)
    bytes.push(body.length)
    const alerts = JSON.parse(body) as PostableAlert[]
    const right = alerts.filter(({ labels }) => labels.wrong === undefined)
    const isRight = right.length === alerts.length
    if (isRight || status === 400) taken.push(...right.map(({ labels }) => labels.device ?? ''))
    response.writeHead(isRight ? 200 : status).end('a label is wrong')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    taken,
    bytes,
    requests: () => requests,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** An Alertmanager that is told, and what was set aside. */
const clientOf = (url: string) => {
  const setAside: [Transition, string][] = []
  let backs = 0
  const alertmanager = new Alertmanager({
    ...{ url, timeoutMs: 5_000, expiresMs: 60_000, generatorUrl: undefined },
    metrics: { notified: () => undefined, attemptTook: () => undefined } as never,
    log: createLogger('test', 'silent'),
    onBack: () => backs++,
    setAside: async (one, reason) => void setAside.push([one, reason]),
  })
  return { alertmanager, setAside, backs: () => backs }
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await setImmediate()
}

const wrong = transitionOf({ device: 'wrong', labels: { wrong: 'yes' } })
const right = (count: number) => Array.from({ length: count }, (_, i) => transitionOf({ device: `d${i}` }))

test('of alerts that are sent together only the one that is refused is set aside, and once', async () => {
  await using server = await startServer()
  const { alertmanager, setAside } = clientOf(server.url)
  await using _ = alertmanager
  for (const one of [transitionOf({ device: 'a' }), wrong, transitionOf({ device: 'b' })]) alertmanager.tell(one)
  await until(() => setAside.length > 0 && new Set(server.taken).size === 2)
  alertmanager.tell(wrong)
  await alertmanager[Symbol.asyncDispose]()
  assert.deepEqual(setAside, [[wrong, 'HTTP 400: a label is wrong']])
  assert.deepEqual(new Set(server.taken), new Set(['a', 'b']))
  assert.ok(server.requests() <= 6, `${server.requests()} requests`)
})

for (const status of [413, 422])
  test(`an alert that is answered with ${status} is set aside, and all others are taken`, {
    timeout: 20_000,
  }, async () => {
    await using server = await startServer(status)
    const { alertmanager, setAside } = clientOf(server.url)
    await using _ = alertmanager
    for (const one of [...right(100), wrong, ...right(200).slice(100)]) alertmanager.tell(one)
    await until(() => setAside.length > 0 && new Set(server.taken).size === 200)
    assert.deepEqual(setAside, [[wrong, `HTTP ${status}: a label is wrong`]])
    assert.ok(server.requests() < 40, `${server.requests()} requests`)
  })

for (const status of [403, 500])
  test(`an alert that is answered with ${status} holds up no other, and is not given up`, {
    timeout: 60_000,
  }, async () => {
    await using server = await startServer(status)
    const { alertmanager, setAside, backs } = clientOf(server.url)
    await using _ = alertmanager
    for (const one of [wrong, ...right(70)]) alertmanager.tell(one)
    await until(() => new Set(server.taken).size === 70)
    assert.deepEqual([setAside, backs()], [[], 0])
  })

test('a request is bounded in bytes', async () => {
  await using server = await startServer()
  const { alertmanager } = clientOf(server.url)
  await using _ = alertmanager
  for (const one of right(100)) alertmanager.tell({ ...one, annotations: { text: 'x'.repeat(16_000) } })
  await until(() => new Set(server.taken).size === 100)
  assert.ok(server.bytes.length < 10 && Math.max(...server.bytes) <= MOST_BYTES + 1, String(server.bytes))
})
