/**
 * The HTTPS server that the API server asks. It answers who knows its path, which is kept in a Secret and in the webhook configuration,
 * neither of which tenants may read: an answer names resources of the namespace that was asked about, and a body costs memory. Who does
 * not know it gets 404 before a byte of the body is read. What it can't answer it fails, and the API server goes on without.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { Bounded } from '@fleetloom/shared/bounded'
import type { KeyPair } from '@fleetloom/shared/certificates/authority'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { admissionReview, answer } from './review.ts'
import type { Known } from './verdict.ts'

/** A review holds an object and the one before, which etcd takes of 1.5 MiB at most, each. */
const MAX_BODY_BYTES = 4 * 1024 * 1024
const MAX_CONNECTIONS = 256
/** Reviews that are read and judged at once: what they hold is in memory. The others wait, and no longer than the API server does. */
const AT_ONCE = 8
/** The API server waits for us for 5 s in all. */
const HEADERS_TIMEOUT_MS = 2_000
const REQUEST_TIMEOUT_MS = 4_000
const CHECK_MS = 500
const IDLE_MS = 60_000

export type AdmissionServer = AsyncDisposable & {
  readonly port: number
  /** Shows this certificate from the next connection on and answers under this path; before the first no connection succeeds. */
  readonly use: (pair: KeyPair, path: string) => void
}

class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

const tooLong = (): Refused => new Refused(413, `a review has at most ${MAX_BODY_BYTES} bytes`)

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLong()
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > MAX_BODY_BYTES) throw tooLong()
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refused(400, 'the body is not JSON')
  }
}

const reviewOf = async (request: IncomingMessage) => {
  const parsed = admissionReview.safeParse(jsonOf(await bodyOf(request)))
  if (!parsed.success) throw new Refused(400, 'the body is not an AdmissionReview of admission.k8s.io/v1')
  return parsed.data
}

const send = (response: ServerResponse, status: number, body: object): void => {
  const text = JSON.stringify(body)
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text)
}

/** @returns the status and words for what went wrong; what is our own fault is logged and not told. */
const failureOf = (error: unknown, log: Logger): readonly [status: number, words: string] => {
  if (error instanceof Refused) return [error.status, error.message]
  log.warn({ err: error }, `a review could not be answered: ${messageOf(error)}`)
  return [500, 'internal error']
}

/** Ends the connection, so that no more of a body comes. */
const refuse = (
  request: IncomingMessage,
  response: ServerResponse,
  [status, words]: readonly [number, string],
): void => {
  response.shouldKeepAlive = false
  response.once('finish', () => request.destroy())
  send(response, status, { error: words })
}

/** Who may ask: in constant time, so that no path is guessed piece by piece. */
const gate = () => {
  let expected: Buffer | undefined
  return {
    set: (path: string): void => {
      expected = digestOf(path)
    },
    passes: ({ method, url = '' }: IncomingMessage): boolean =>
      expected !== undefined && timingSafeEqual(digestOf(url.split('?')[0] ?? ''), expected) && method === 'POST',
  }
}

const handler =
  (known: Known, log: Logger, turns: Bounded) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      using _ = await turns.take(1, AbortSignal.timeout(REQUEST_TIMEOUT_MS))
      send(response, 200, await answer(known, await reviewOf(request)))
    } catch (error) {
      refuse(request, response, failureOf(error, log))
    }
  }

const OPTIONS = {
  minVersion: 'TLSv1.2',
  handshakeTimeout: REQUEST_TIMEOUT_MS,
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  connectionsCheckingInterval: CHECK_MS,
  keepAliveTimeout: IDLE_MS,
} as const

/** Serves reviews until disposed. */
export const serveAdmission = async (
  address: { readonly host: string; readonly port: number },
  known: Known,
  log: Logger,
): Promise<AdmissionServer> => {
  const handle = handler(known, log, new Bounded(AT_ONCE))
  const { set, passes } = gate()
  const server = https.createServer(OPTIONS, (request, response) => {
    if (passes(request)) void handle(request, response)
    else refuse(request, response, [404, 'there is nothing here'])
  })
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(address.port, address.host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    use: ({ certificate, key }, path) => {
      set(path)
      server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' })
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}
