/**
 * The HTTPS server that the API server asks. It answers whoever asks: an answer says nothing but what is wrong with what was sent, and
 * what other resources of the same namespace have to do with it. What it can't answer it fails, and the API server goes on without.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { KeyPair } from '@fleetloom/shared/certificates/authority'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { admissionReview, answer } from './review.ts'
import type { Known } from './verdict.ts'

export const PATH = '/validate'

/** A review holds an object and the one before; the API server takes objects of 3 MiB at most. */
const MAX_BODY_BYTES = 8 * 1024 * 1024
const MAX_CONNECTIONS = 256
const REQUEST_TIMEOUT_MS = 5_000
const IDLE_MS = 60_000

export type AdmissionServer = AsyncDisposable & {
  readonly port: number
  /** Shows this certificate from the next connection on; before the first no connection succeeds. */
  use(pair: KeyPair): void
}

class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > MAX_BODY_BYTES) throw new Refused(413, `a review has at most ${MAX_BODY_BYTES} bytes`)
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
  if (request.method !== 'POST' || request.url?.split('?')[0] !== PATH)
    throw new Refused(404, `POST ${PATH} is all there is`)
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

const handler =
  (known: Known, log: Logger) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      send(response, 200, await answer(known, await reviewOf(request)))
    } catch (error) {
      const [status, words] = failureOf(error, log)
      response.shouldKeepAlive = false
      send(response, status, { error: words })
    }
  }

/** Serves reviews until disposed. */
export const serveAdmission = async (
  address: { readonly host: string; readonly port: number },
  known: Known,
  log: Logger,
): Promise<AdmissionServer> => {
  const handle = handler(known, log)
  const options = { minVersion: 'TLSv1.2', requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: IDLE_MS } as const
  const server = https.createServer(options, (request, response) => void handle(request, response))
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(address.port, address.host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    use: ({ certificate, key }) => server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' }),
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}
