/** An HTTP server whose answers a test writes: for what a real API server does only when it is in trouble. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { KubeApi } from './kube-api.ts'

export type Answer = (request: URL, response: ServerResponse, message: IncomingMessage) => void

/** Each request gets the next answer; the last one stays. `asked` holds what was asked. */
export const scriptedApi = async (...answers: readonly Answer[]) => {
  const asked: string[] = []
  const server = createServer((message, response) => {
    const url = new URL(message.url ?? '/', 'http://server')
    asked.push(`${message.method} ${url.pathname}${url.search}`)
    answers[Math.min(asked.length, answers.length) - 1]?.(url, response, message)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const api = new KubeApi({ server: `http://127.0.0.1:${port}`, token: async () => 'secret-token' })
  return {
    api,
    asked,
    [Symbol.asyncDispose]: async () => {
      api[Symbol.dispose]()
      server.closeAllConnections()
      server.close()
    },
  }
}

export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

/** A watch that says these and ends, or stays open. */
export const watchOf =
  (events: readonly unknown[], { open = false } = {}): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    for (const event of events) response.write(`${JSON.stringify(event)}\n`)
    if (!open) response.end()
  }

export const object = (name: string, resourceVersion: string) => ({
  metadata: { namespace: 'ns', name, uid: `uid-${name}`, resourceVersion },
})

export const listOf = (resourceVersion: string, names: readonly string[], next = '') => ({
  metadata: { resourceVersion, continue: next },
  items: names.map((name) => object(name, resourceVersion)),
})
