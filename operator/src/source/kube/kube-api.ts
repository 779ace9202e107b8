/**
 * JSON over HTTPS with the API server, on a pool of connections that are kept. Each request has a time limit. A server that
 * throttles (429) is asked again after the time it names, a few times; what would write is left to the caller, who must make
 * sure that it still may.
 */
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from './kube-config.ts'

export type Query = Readonly<Record<string, string | number | boolean>>

export type KubeRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Absolute, percent-encoded. */
  readonly path: string
  readonly query?: Query
  readonly body?: unknown
  readonly contentType?: string
  readonly signal?: AbortSignal
}

/** The API server's `Status`, as far as it is looked at. */
type StatusObject = {
  readonly reason?: string
  readonly message?: string
  readonly details?: { readonly causes?: readonly { readonly reason?: string }[] }
}

/**
 * An answer that is not 2xx. `reason` is the API server's one word for it, e.g. `Conflict`; `causes` are words that say more,
 * e.g. `NamespaceTerminating`.
 */
export class KubeError extends Error {
  override name = 'KubeError'
  readonly status: number
  readonly reason: string
  readonly causes: readonly string[]
  constructor(status: number, { reason = `HTTP ${status}`, message = reason, details }: StatusObject) {
    super(message)
    this.status = status
    this.reason = reason
    this.causes = details?.causes?.flatMap((cause) => cause.reason ?? []) ?? []
  }
}

/** Media types of a patch. */
export const APPLY = 'application/apply-patch+yaml'
export const MERGE = 'application/merge-patch+json'
export const JSON_PATCH = 'application/json-patch+json'

const REQUEST_TIMEOUT_MS = 15_000
/** A list page of 500 of the largest fleets that can be; what is above is not ours. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
const CONNECTIONS = 16
const THROTTLED = { tries: 5, maxWaitMs: 10_000 } as const

const queryText = (query: Query = {}): string => {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) params.set(key, String(value))
  return params.size === 0 ? '' : `?${params}`
}

const textOf = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`the API server's answer is larger than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}

const statusOf = (text: string): StatusObject => {
  try {
    return JSON.parse(text) as StatusObject
  } catch {
    return { message: text.slice(0, 200) }
  }
}

const errorOf = (status: number, text: string): KubeError => new KubeError(status, statusOf(text))

const isTls = ({ server }: Cluster): boolean => server.startsWith('https:')

const agentOf = (cluster: Cluster, options: http.AgentOptions): http.Agent => {
  if (!isTls(cluster)) return new http.Agent(options)
  return new https.Agent({ ...options, ...(cluster.ca && { ca: cluster.ca }), ...cluster.client })
}

export class KubeApi implements Disposable {
  readonly #cluster: Cluster
  readonly #agent: http.Agent

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#agent = agentOf(cluster, { keepAlive: true, maxSockets: CONNECTIONS })
  }

  /** @throws KubeError for an answer that is not 2xx; another error where none came. */
  async request<Answer>(request: KubeRequest): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const { status, text, retryAfter } = await this.#ask(request)
      if (status >= 200 && status < 300) return JSON.parse(text) as Answer
      if (status !== 429 || request.method !== 'GET' || tries === THROTTLED.tries) throw errorOf(status, text)
      const askedMs = Number(retryAfter ?? 1) * 1000 * (1 + Math.random() / 2)
      await sleep(Math.min(askedMs, THROTTLED.maxWaitMs), undefined, { signal: request.signal })
    }
  }

  /** An answer that goes on and on; ends with `signal`. It holds a connection of its own. */
  async stream(path: string, query: Query, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await this.#send({ method: 'GET', path, query }, signal, false)
    const status = response.statusCode ?? 0
    if (status === 200) return response
    throw errorOf(status, await textOf(response))
  }

  /** Ends all connections. */
  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  async #ask(request: KubeRequest) {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
    const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout
    const response = await this.#send(request, signal)
    const { statusCode = 0, headers } = response
    return { status: statusCode, text: await textOf(response), retryAfter: headers['retry-after'] }
  }

  async #send(
    { method, path, query, body, contentType = 'application/json' }: KubeRequest,
    signal: AbortSignal,
    pooled = true,
  ): Promise<IncomingMessage> {
    const { server, token } = this.#cluster
    const bearer = await token()
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      accept: 'application/json',
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      ...(payload !== undefined && { 'content-type': contentType, 'content-length': Buffer.byteLength(payload) }),
    }
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const agent = pooled ? this.#agent : agentOf(this.#cluster, {})
    const { request } = isTls(this.#cluster) ? https : http
    request(`${server}${path}${queryText(query)}`, { method, headers, signal, agent }, resolve)
      .on('error', reject)
      .end(payload)
    return promise
  }
}
