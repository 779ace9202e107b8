/** The app on a socket. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import type { ApiEnv } from './http/env.ts'

/** Registering thousands of devices takes minutes on a small broker, and the request lasts as long. */
const REQUEST_TIMEOUT_MS = 60 * 60_000
/** Who has had the answer and still sends may go on for this long. */
const LINGER_MS = 1_000
/** Requests under way may end within this at a stop. */
const DRAIN_MS = 10_000

export type Served = AsyncDisposable & { readonly port: number }

export const serveApp = async (
  app: Hono<ApiEnv>,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Served> => {
  const serverOptions = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: 20_000 }
  const server = createAdaptorServer({ fetch: app.fetch, createServer, serverOptions }) as Server
  server.on('request', (request, response) => response.once('finish', () => endUnread(request)))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: () => close(server) }
}

/** Without it a body that drips in and nobody reads holds its connection for the whole request timeout, key or no key. */
const endUnread = (request: IncomingMessage): void => {
  if (!request.complete) setTimeout(() => request.complete || request.socket.destroy(), LINGER_MS).unref()
}

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
