/**
 * A stand-in for EMQX 5.8.9 in tests: an HTTP server that keeps what the REST API is told and answers with the statuses
 * and bodies that were recorded from a running one; stand-in.test.ts holds it to the recording. It carries no MQTT:
 * sessions are put into its state.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { authenticationRoutes } from './authentication.ts'
import { authorizationRoutes } from './authorization.ts'
import { badRequest, type Call, crash, type Handler, problem, type Reply, type Routes } from './http.ts'
import { operationRoutes } from './operations.ts'
import { freshState, type State, type TestSession } from './state.ts'

/** What goes wrong with requests whose `METHOD path` fits. */
export type Fault = {
  readonly kind: 'echoing 500' | 'unavailable' | 'refused' | 'slow' | 'reset' | 'unauthorized'
  readonly on?: RegExp
  /** How many times; default for ever. */
  times?: number
}

export type Asked = {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly body: unknown
  readonly bytes: number
}

const ROUTES: Routes = { ...authenticationRoutes, ...authorizationRoutes, ...operationRoutes }
const PREFIX = '/api/v5/'
const MAX_BODY = 8_000_000
const SLOW_MS = 600_000
const NOT_FOUND: Reply = { status: 404, type: 'text/html', body: '<html><body><h1>404 - NOT FOUND</h1></body></html>' }

type Route = { readonly method: string; readonly segments: readonly string[]; readonly handler: Handler }

const TABLE: readonly Route[] = Object.entries(ROUTES).map(([key, handler]) => {
  const [method = '', path = ''] = key.split(' ')
  return { method, segments: path.split('/'), handler }
})

const fits = ({ segments }: Route, path: readonly string[]): boolean =>
  segments.length === path.length && segments.every((segment, i) => segment === '*' || segment === path[i])

const stars = ({ segments }: Route): number => segments.filter((segment) => segment === '*').length

/** The most literal routes that fit. */
const routesFor = (path: readonly string[]): Route[] =>
  TABLE.filter((route) => fits(route, path)).sort((a, b) => stars(a) - stars(b))

const readAll = async (request: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

export type EmqxStandIn = AsyncDisposable & {
  readonly url: string
  state: State
  readonly asked: Asked[]
  readonly faults: Fault[]
  /** Called after each request, with what it was. */
  onDone: (asked: Asked) => void
  apiKey: { key: string; secret: string }
  /** An import that holds this user is refused as a whole. */
  refuseImport: string | undefined
  /** An import that holds this user says that it failed, and does not write it. */
  failImport: string | undefined
  /** Authenticator, users, rules, sources and bans are gone, as after a restart without a disk. */
  loseDatabase(): void
  session(clientid: string, change?: Partial<TestSession>): TestSession
}

class StandIn implements EmqxStandIn {
  state = freshState()
  readonly asked: Asked[] = []
  readonly faults: Fault[] = []
  onDone: (asked: Asked) => void = () => undefined
  apiKey = { key: 'fleetloom', secret: 'for-tests' }
  refuseImport: string | undefined
  failImport: string | undefined
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  loseDatabase(): void {
    const { listeners, sessions } = this.state
    this.state = { ...freshState(), listeners, sessions }
  }

  session(clientid: string, change: Partial<TestSession> = {}): TestSession {
    const queue = { mqueue_len: 0, inflight_cnt: 0, mqueue_max: 1_000_000, inflight_max: 4_096 }
    const session = { clientid, username: clientid, subscriptions: [], connected: true, ...queue, ...change }
    this.state.sessions.set(clientid, session)
    return session
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://broker')
    const raw = await readAll(request)
    const fault = this.#faultFor(`${request.method} ${url.pathname}`)
    if (fault?.kind === 'reset') return void request.socket.destroy()
    if (fault?.kind === 'slow') await sleep(SLOW_MS, undefined, { ref: false })
    const path = url.pathname.slice(PREFIX.length)
    const asked = { method: request.method ?? '', path, query: url.search, body: parsed(raw), bytes: raw.length }
    this.asked.push(asked)
    const reply = faultReply(fault, request) ?? this.#answer(request, url, raw)
    send(response, reply)
    this.onDone(asked)
  }

  #faultFor(what: string): Fault | undefined {
    const fault = this.faults.find(({ on = /./, times = 1 }) => times > 0 && on.test(what))
    if (fault?.times !== undefined) fault.times--
    return fault
  }

  #answer(request: IncomingMessage, url: URL, raw: Buffer): Reply {
    if (!url.pathname.startsWith(PREFIX)) return NOT_FOUND
    const path = url.pathname.slice(PREFIX.length).split('/').map(decodeURIComponent)
    const routes = routesFor(path)
    if (routes.length === 0) return NOT_FOUND
    const unauthorized = this.#unauthorized(request.headers.authorization)
    if (unauthorized) return unauthorized
    const route = routes.find(({ method }) => method === request.method)
    if (!route) return { status: 405 }
    if (raw.length > MAX_BODY) return { status: 500 }
    const wrongBody = bodyFault(request, raw)
    if (wrongBody) return wrongBody
    if (path.at(-1) === 'import_users' && this.#refuses(parsed(raw))) return badRequest('bad_format')
    const args = path.filter((_, i) => route.segments[i] === '*')
    const reply = route.handler({ state: this.state, args, query: url.searchParams, body: parsed(raw) } satisfies Call)
    return path.at(-1) === 'import_users' ? this.#withFailed(reply, parsed(raw)) : reply
  }

  #withFailed(reply: Reply, body: unknown): Reply {
    const { failImport } = this
    const isHit = Array.isArray(body) && body.some(({ user_id }) => user_id === failImport)
    if (failImport === undefined || !isHit) return reply
    this.state.users.delete(failImport)
    return { ...reply, body: { ...(reply.body as object), failed: 1 } }
  }

  #refuses(body: unknown): boolean {
    return Array.isArray(body) && body.some(({ user_id }) => user_id === this.refuseImport)
  }

  #unauthorized(header: string | undefined): Reply | undefined {
    if (header === undefined) return problem(401, 'AUTHORIZATION_HEADER_ERROR', 'Support authorization: basic/bearer ')
    if (header.startsWith('Bearer')) return problem(401, 'BAD_TOKEN', 'Get a token by POST /login')
    const { key, secret } = this.apiKey
    const right = `Basic ${Buffer.from(`${key}:${secret}`).toString('base64')}`
    return header === right ? undefined : problem(401, 'BAD_API_KEY_OR_SECRET', 'Check api_key/api_secret')
  }
}

const parsed = (raw: Buffer): unknown => {
  if (raw.length === 0) return undefined
  try {
    return JSON.parse(raw.toString())
  } catch {
    return undefined
  }
}

const bodyFault = (request: IncomingMessage, raw: Buffer): Reply | undefined => {
  if (raw.length === 0) return undefined
  if (request.headers['content-type'] !== 'application/json')
    return problem(415, 'UNSUPPORTED_MEDIA_TYPE', 'content-type:application/json Required')
  return parsed(raw) === undefined ? badRequest('Invalid json message received') : undefined
}

const faultReply = (fault: Fault | undefined, { headers }: IncomingMessage): Reply | undefined => {
  if (fault?.kind === 'echoing 500') return crash(headers.authorization ?? '')
  if (fault?.kind === 'unavailable') return problem(503, 'SERVICE_UNAVAILABLE', 'not yet')
  if (fault?.kind === 'refused') return badRequest('some nodes did not do it')
  if (fault?.kind === 'unauthorized') return problem(401, 'BAD_API_KEY_OR_SECRET', 'Check api_key/api_secret')
  return undefined
}

const send = (response: ServerResponse, { status, body, type = 'application/json' }: Reply): void => {
  if (body === undefined) return void response.writeHead(status).end()
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': type }).end(text)
}

/** Listens on a free port. */
export const startEmqx = (): Promise<EmqxStandIn> => new StandIn().listen()
