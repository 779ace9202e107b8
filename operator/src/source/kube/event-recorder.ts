/**
 * Events of our resources, as `kubectl describe` shows them.
 *
 * - What is said of one resource with one reason within a moment becomes one event, its messages joined.
 * - An event that repeats is one object whose count goes up.
 * - Each resource has a budget, as client-go gives it: 25 at once, then one every 5 minutes; above it events are dropped and
 *   counted. So a resource that flaps does not fill the API server.
 *
 * Events are news and not state: one that can't be written is logged, and delays nobody.
 */
import { createHash } from 'node:crypto'
import { API_VERSION } from '@fleetloom/crds/kinds'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Resource, SourceEvent } from '../source.ts'
import { type KubeApi, KubeError, MERGE } from './kube-api.ts'

export type EventRecorder = AsyncDisposable & {
  record(resource: Resource, event: SourceEvent): void
}

export type RecorderOptions = {
  readonly api: KubeApi
  readonly log: Logger
  /** Name of this replica. */
  readonly instance: string
  /** Called before each write; throws when we may not write. */
  readonly beforeWrite: () => void
  /** Told of each event that was dropped. */
  readonly onDropped: () => void
}

const COMPONENT = 'fleetloom-operator'
const MOMENT_MS = 500
/** The API server's bound on a message. */
const MAX_MESSAGE = 1024
const BUDGET = { burst: 25, refillMs: 300_000 } as const
/** Resources and events remembered; the ones longest unused are forgotten. */
const REMEMBERED = 4096
const WRITES_AT_ONCE = 4

type Pending = {
  readonly resource: Resource
  readonly event: Omit<SourceEvent, 'message'>
  readonly messages: Set<string>
}
type Budget = { left: number; atMs: number }
type Known = { readonly path: string; count: number }

/** Puts an entry last and forgets the first ones beyond the bound. */
const remember = <T>(map: Map<string, T>, key: string, value: T): void => {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > REMEMBERED && oldest !== undefined) map.delete(oldest)
}

const joined = (messages: ReadonlySet<string>): string => {
  const text = [...messages].join('; ')
  return text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE - 1)}…`
}

const eventsPath = (namespace: string): string => `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`

/** Tokens of one bucket per resource. */
class Budgets {
  readonly #budgets = new Map<string, Budget>()

  /** Takes a token, if there is one. */
  take(uid: string): boolean {
    const nowMs = Date.now()
    const { left, atMs } = this.#budgets.get(uid) ?? { left: BUDGET.burst, atMs: nowMs }
    const refilled = Math.min(BUDGET.burst, left + (nowMs - atMs) / BUDGET.refillMs)
    remember(this.#budgets, uid, { left: refilled >= 1 ? refilled - 1 : refilled, atMs: nowMs })
    return refilled >= 1
  }
}

/** A namespace that is on its way out takes no events, and then is gone. */
const isBeingRemoved = (error: unknown): boolean =>
  error instanceof KubeError && (error.status === 404 || error.causes.includes('NamespaceTerminating'))

/** RFC 3339 without fractions, as events have it. */
const timestamp = (): string => new Date().toISOString().replace(/\.\d+Z$/, 'Z')

const bodyOf = ({ resource, event }: Pending, message: string, instance: string) => {
  const { namespace, name, uid } = resource.metadata
  const now = timestamp()
  return {
    metadata: { generateName: `${name.slice(0, 200)}.`, namespace },
    involvedObject: { apiVersion: API_VERSION, kind: resource.kind, namespace, name, uid },
    ...event,
    message,
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    reportingInstance: instance,
  }
}

class Recorder implements EventRecorder {
  readonly #options: RecorderOptions
  readonly #pending = new Map<string, Pending>()
  readonly #budgets = new Budgets()
  readonly #known = new Map<string, Known>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(options: RecorderOptions) {
    this.#options = options
  }

  record(resource: Resource, { message, ...event }: SourceEvent): void {
    const { uid } = resource.metadata
    const key = `${uid} ${event.type} ${event.reason}`
    const one = this.#pending.get(key)
    if (one) one.messages.add(message)
    else if (this.#pending.size >= REMEMBERED || !this.#budgets.take(uid)) this.#options.onDropped()
    else this.#pending.set(key, { resource, event, messages: new Set([message]) })
    this.#timer ??= setTimeout(() => this.#flush(), MOMENT_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#flush()
    await this.#writing
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const queue = [...this.#pending.values()]
    this.#pending.clear()
    const worker = async () => {
      for (let one = queue.shift(); one; one = queue.shift()) await this.#write(one)
    }
    this.#writing = this.#writing.then(async () => {
      await Promise.all(Array.from({ length: WRITES_AT_ONCE }, worker))
    })
  }

  async #write(one: Pending): Promise<void> {
    const { log, beforeWrite, onDropped } = this.#options
    const { resource, event } = one
    const message = joined(one.messages)
    const key = createHash('sha256')
      .update(JSON.stringify([resource.metadata.uid, event, message]))
      .digest('base64')
    const before = this.#known.get(key)
    const again = before && { ...before, count: before.count + 1 }
    try {
      beforeWrite()
      const counted = again && (await this.#countUp(again))
      remember(this.#known, key, counted ? again : await this.#create(one, message))
    } catch (error) {
      const { namespace, name } = resource.metadata
      const level = isBeingRemoved(error) ? 'debug' : 'warn'
      log[level]({ namespace, name, reason: event.reason }, `event not recorded: ${messageOf(error)}`)
      onDropped()
    }
  }

  async #create(one: Pending, message: string): Promise<Known> {
    const { api, instance } = this.#options
    const path = eventsPath(one.resource.metadata.namespace)
    type Created = { readonly metadata: { readonly name: string } }
    const { metadata } = await api.request<Created>({ method: 'POST', path, body: bodyOf(one, message, instance) })
    return { path: `${path}/${metadata.name}`, count: 1 }
  }

  /** False when the event is gone: events live for an hour. */
  async #countUp({ path, count }: Known): Promise<boolean> {
    const body = { count, lastTimestamp: timestamp() }
    try {
      await this.#options.api.request({ method: 'PATCH', path, contentType: MERGE, body })
      return true
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return false
      throw error
    }
  }
}

export const createEventRecorder = (options: RecorderOptions): EventRecorder => new Recorder(options)
