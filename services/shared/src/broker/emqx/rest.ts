/**
 * EMQX's REST API v5: requests with an API key, a bound on how many run at once, a time limit on each, and a few tries
 * where the broker was not to be reached. Every request that the adapter makes may be sent twice: the second then finds
 * things as it wants them.
 *
 * A body of a 5xx is never read: EMQX answers some faults with a dump of the request, its Authorization header included.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../process/logger.ts'
import { BrokerUnavailable } from '../broker.ts'
import { slots } from './bulk.ts'

export type ApiKey = { readonly key: string; readonly secret: string }

export type RestSettings = {
  /** http:// or https://, without /api/v5 */
  readonly url: string
  /** Reads the API key; called again when the broker refuses the one it gave before. */
  readonly readKey: () => Promise<ApiKey>
  /** Longest wait for one answer; default 10 s. */
  readonly timeoutMs?: number
}

export type Request = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Segments after /api/v5, as they are; they get encoded here. */
  readonly path: readonly string[]
  readonly query?: readonly (readonly [string, string])[]
  /** Sent as JSON. */
  readonly body?: unknown
  readonly timeoutMs?: number
  /** Whether the broker's words about it may repeat a secret: then they are kept out of errors. */
  readonly isSecret?: boolean
  /** Default 3. */
  readonly tries?: number
  /** Statuses that are an answer; any other is a BrokerRefused. */
  readonly expect: readonly number[]
}

/** `body` is undefined where the broker sent none. */
export type Answer = { readonly status: number; readonly body: unknown }

/** The broker understood and said no. `reason` is EMQX's own code and words, cut short. */
export class BrokerRefused extends Error {
  override name = 'BrokerRefused'
  readonly status: number
  readonly reason: string
  constructor(what: string, status: number, reason: string) {
    super(`broker refused ${what}: ${status} ${reason}`)
    this.status = status
    this.reason = reason
  }
}

const TIMEOUT_MS = 10_000
const MAX_AT_ONCE = 16
const TRIES = 3
const PAUSE_MS = 200
const RETRIED = new Set([429, 500, 502, 503, 504])
const MAX_REASON = 200

/** A fault that another try may mend. */
class Passing extends BrokerUnavailable {}

const nameOf = ({ method, path }: Request): string => `${method} /${path.join('/')}`

/** The broker's reason, from an answer that is not a 5xx. The first characters: it may repeat what it was sent. */
const reasonOf = (body: unknown, { isSecret = false }: Request): string => {
  const { code, message } = (body ?? {}) as { code?: unknown; message?: unknown }
  const parts = isSecret ? [code] : [code, message]
  return parts
    .filter((part) => typeof part === 'string')
    .join(' ')
    .slice(0, MAX_REASON)
}

/** Lets a body go unread; that its connection broke meanwhile is nobody's concern. */
const drop = async ({ body }: Response): Promise<void> => {
  await body?.cancel().catch(() => undefined)
}

export class Rest implements AsyncDisposable {
  readonly #settings: RestSettings
  readonly #stop = new AbortController()
  readonly #run = slots(MAX_AT_ONCE)
  #authorization: string | undefined

  constructor(settings: RestSettings) {
    this.#settings = settings
  }

  /**
   * @throws BrokerUnavailable when there is no answer, or one that says nothing about the request.
   * @throws BrokerRefused for an answer whose status is not expected.
   */
  async call(request: Request): Promise<Answer> {
    const { tries = TRIES } = request
    for (let pause = PAUSE_MS, left = tries; ; pause *= 3) {
      try {
        return await this.#run(() => this.#once(request))
      } catch (error) {
        if (!(error instanceof Passing) || --left <= 0 || this.#stop.signal.aborted) throw error
        await sleep(pause * (0.5 + Math.random()))
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
  }

  async #once(request: Request): Promise<Answer> {
    const response = await this.#authorized(request)
    const { status } = response
    if (status >= 500 || status === 429) {
      await drop(response)
      const Kind = RETRIED.has(status) ? Passing : BrokerUnavailable
      throw new Kind(`${this.#where()} answered ${nameOf(request)} with ${status}; its own log says why`)
    }
    const body = await this.#bodyOf(response, request)
    if (!request.expect.includes(status)) throw new BrokerRefused(nameOf(request), status, reasonOf(body, request))
    return { status, body }
  }

  async #authorized(request: Request): Promise<Response> {
    const used = await this.#key()
    const first = await this.#send(request, used)
    if (first.status !== 401) return first
    await drop(first)
    // Another request may have read the new key already.
    if (this.#authorization === used) this.#authorization = undefined
    const fresh = await this.#key()
    const second = fresh === used ? undefined : await this.#send(request, fresh)
    if (second !== undefined && second.status !== 401) return second
    if (second !== undefined) await drop(second)
    throw new BrokerUnavailable(
      `${this.#where()} refused the API key (401): EMQX_API_KEY_FILE and EMQX_API_SECRET_FILE must hold a key and its secret that EMQX knows, ` +
        'with the role administrator',
    )
  }

  async #key(): Promise<string> {
    if (this.#authorization === undefined) {
      const { key, secret } = await this.#settings.readKey().catch((error: unknown) => {
        throw new BrokerUnavailable(`${this.#where()}: its API key can't be read: ${messageOf(error)}`)
      })
      this.#authorization = `Basic ${Buffer.from(`${key}:${secret}`).toString('base64')}`
    }
    return this.#authorization
  }

  async #send(request: Request, authorization: string): Promise<Response> {
    const { method, path, query = [], body } = request
    const url = new URL(`/api/v5/${path.map(encodeURIComponent).join('/')}`, this.#settings.url)
    for (const [name, value] of query) url.searchParams.append(name, value)
    try {
      return await fetch(url, {
        method,
        headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.any([AbortSignal.timeout(this.#limitOf(request)), this.#stop.signal]),
      })
    } catch (error) {
      throw this.#unreachable(error, request)
    }
  }

  async #bodyOf(response: Response, request: Request): Promise<unknown> {
    const text = await response.text().catch((error: unknown) => {
      throw this.#unreachable(error, request)
    })
    if (text === '') return undefined
    if (response.headers.get('content-type')?.startsWith('application/json') !== true) {
      if (response.ok) return text
      throw new BrokerUnavailable(
        `${this.#where()} knows no ${nameOf(request)} (${response.status}): is EMQX_URL the REST API of an EMQX 5.8?`,
      )
    }
    try {
      return JSON.parse(text)
    } catch {
      throw new Passing(`${this.#where()} answered ${nameOf(request)} with broken JSON`)
    }
  }

  #unreachable(error: unknown, request: Request): Passing {
    if (this.#stop.signal.aborted) return new Passing(`${this.#where()}: the connection was closed`)
    if (error instanceof Error && error.name === 'TimeoutError')
      return new Passing(`${this.#where()} gave no answer within ${this.#limitOf(request)} ms`)
    const cause = error instanceof Error ? (error.cause ?? error) : error
    const code = (cause as NodeJS.ErrnoException | undefined)?.code
    return new Passing(`${this.#where()} does not answer: ${code ?? messageOf(cause)}`)
  }

  #limitOf({ timeoutMs }: Request): number {
    return timeoutMs ?? this.#settings.timeoutMs ?? TIMEOUT_MS
  }

  #where(): string {
    return `broker ${this.#settings.url}`
  }
}
