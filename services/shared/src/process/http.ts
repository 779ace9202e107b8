/** The endpoints every process has: `/healthz` (alive), `/readyz` (its dependencies answer), `/metrics` (Prometheus text). */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'
import { messageOf } from './logger.ts'

/** Names of dependencies and how to ask each; a check rejects with the reason. */
export type ReadyChecks = Readonly<Record<string, () => Promise<unknown>>>

const CHECK_TIMEOUT_MS = 2_000

const runCheck = async (check: () => Promise<unknown>): Promise<string> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS)
  try {
    await Promise.race([check(), promise])
    return 'ok'
  } catch (error) {
    return messageOf(error)
  } finally {
    clearTimeout(timer)
  }
}

export type Readiness = { readonly ready: boolean; readonly checks: Readonly<Record<string, string>> }

const ask = async (checks: ReadyChecks): Promise<Readiness> => {
  const entries = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await runCheck(check)] as const),
  )
  return { ready: entries.every(([, outcome]) => outcome === 'ok'), checks: Object.fromEntries(entries) }
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void

const send = (response: ServerResponse, status: number, body: string, type = 'application/json'): void => {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
}

/**
 * Asks every dependency: 'ok' or the reason for each. Who asks while an answer is under way gets that one: the endpoint is open
 * to all, and what it asks is not to be flooded through it.
 */
export const readinessOf = (checks: ReadyChecks): (() => Promise<Readiness>) => {
  let underWay: Promise<Readiness> | undefined
  return () => {
    underWay ??= ask(checks).finally(() => {
      underWay = undefined
    })
    return underWay
  }
}

/** Handlers of the three endpoints by path. */
export const processRoutes = (registry: Registry, checks: ReadyChecks): Readonly<Record<string, Handler>> => {
  const readiness = readinessOf(checks)
  return {
    '/healthz': (_, response) => send(response, 200, '{"alive":true}\n'),
    '/readyz': async (_, response) => {
      const result = await readiness()
      send(response, result.ready ? 200 : 503, `${JSON.stringify(result)}\n`)
    },
    '/metrics': async (_, response) => send(response, 200, await registry.metrics(), registry.contentType),
  }
}

/** Serves `routes` until disposed. */
export const serveHttp = async (
  address: { readonly host: string; readonly port: number },
  routes: Readonly<Record<string, Handler>>,
): Promise<AsyncDisposable & { readonly port: number }> => {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] as string
    const handler = routes[path]
    if (!handler)
      return send(response, 404, `${JSON.stringify({ error: `no such path: ${path}`, paths: Object.keys(routes) })}\n`)
    new Promise<void>((done) => done(handler(request, response))).catch(() =>
      send(response, 500, '{"error":"internal error"}\n'),
    )
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(address.port, address.host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
