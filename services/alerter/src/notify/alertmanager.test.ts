import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { createLogger } from '@fleetloom/shared/process/logger'
import { transitionOf } from '../testing.ts'
import type { PostableAlert } from './alert.ts'
import { Alertmanager } from './alertmanager.ts'

/** Takes alerts as Alertmanager does: those that are right, although it answers 400 when one of them is not. */
const startServer = async () => {
  const taken: string[] = []
  let requests = 0
  const server = createServer(async (request, response) => {
    requests++
    const alerts = JSON.parse(await text(request)) as PostableAlert[]
    const right = alerts.filter(({ labels }) => labels.wrong === undefined)
    taken.push(...right.map(({ labels }) => labels.device ?? ''))
    response.writeHead(right.length === alerts.length ? 200 : 400).end('a label is wrong')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    taken,
    requests: () => requests,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

test('of alerts that are sent together only the one that is refused is set aside, and once', async () => {
  await using server = await startServer()
  const setAside: [Transition, string][] = []
  const over = Promise.withResolvers<void>()
  await using alertmanager = new Alertmanager({
    ...{ url: server.url, timeoutMs: 5_000, expiresMs: 60_000, generatorUrl: undefined },
    metrics: { notified: () => undefined, attemptTook: () => undefined } as never,
    log: createLogger('test', 'silent'),
    onBack: () => undefined,
    setAside: async (one, reason) => {
      setAside.push([one, reason])
      over.resolve()
    },
  })
  const wrong = transitionOf({ device: 'wrong', labels: { wrong: 'yes' } })
  for (const one of [transitionOf({ device: 'a' }), wrong, transitionOf({ device: 'b' })]) alertmanager.tell(one)
  await over.promise
  await new Promise((resolve) => setImmediate(resolve))
  alertmanager.tell(wrong)
  await alertmanager[Symbol.asyncDispose]()
  assert.deepEqual(setAside, [[wrong, 'HTTP 400: a label is wrong']])
  assert.deepEqual(new Set(server.taken), new Set(['a', 'b']))
  assert.ok(server.requests() <= 4, `${server.requests()} requests`)
})
