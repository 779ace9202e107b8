/**
 * Tells one Alertmanager what fires. It is state, not a message: per alert only the newest is sent, whatever came before, and a
 * failed request is repeated with what holds then. What is lost by a crash, or by an Alertmanager that is away, comes again with
 * the next round (`rounds.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { recordKey } from '@fleetloom/shared/alerts/records'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { backoffMs } from '@fleetloom/shared/backoff'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { OutboxMetrics } from '../metrics.ts'
import { type AlertSettings, postable } from './alert.ts'

export type AlertmanagerOptions = AlertSettings & {
  readonly url: string
  readonly timeoutMs: number
  readonly metrics: OutboxMetrics
  readonly log: Logger
  /** It takes alerts again after it did not: it may have forgotten what it knew. */
  readonly onBack: () => void
  /** Told of an alert that it will never take. Resolves once that is recorded. */
  readonly setAside: (one: Transition, reason: string) => Promise<void>
}

type Answer = { readonly status: number; readonly fault: string }

/** Alerts in one request. */
const MOST_SENT = 64
/** Waiting ones: more than the bucket of the alerts holds records of. */
const MOST_WAITING = 100_000
/** Transitions that were refused, so that rounds do not bring them again. */
const MOST_REFUSED = 1_000

export class Alertmanager implements AsyncDisposable {
  readonly #options: AlertmanagerOptions
  readonly #endpoint: string
  readonly #stop = new AbortController()
  readonly #waiting = new Map<string, Transition>()
  readonly #refused = new Set<string>()
  #sending: Promise<void> | undefined

  constructor(options: AlertmanagerOptions) {
    this.#options = { ...options, log: options.log.child({ alertmanager: options.url }) }
    this.#endpoint = `${options.url.replace(/\/$/, '')}/api/v2/alerts`
  }

  tell(one: Transition): void {
    if (this.#refused.has(one.id)) return
    const key = recordKey('firing', one)
    const known = this.#waiting.get(key)
    if (known === undefined && this.#waiting.size >= MOST_WAITING) return
    if (known === undefined || known.atMicros <= one.atMicros) this.#waiting.set(key, one)
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#sending
  }

  async #sendAll(): Promise<void> {
    await Promise.resolve()
    for (let failures = 0; this.#waiting.size > 0 && !this.#stop.signal.aborted; ) {
      const batch = Array.from(this.#waiting.values()).slice(0, MOST_SENT)
      const fault = await this.#send(batch, failures)
      if (fault === undefined) this.#taken(batch, failures)
      failures = fault === undefined ? 0 : failures + 1
      if (fault !== undefined) await this.#pause(failures, fault)
    }
  }

  #taken(batch: readonly Transition[], failures: number): void {
    for (const one of batch) {
      const key = recordKey('firing', one)
      if (this.#waiting.get(key) === one) this.#waiting.delete(key)
    }
    if (failures > 0) this.#options.onBack()
  }

  /** Why they were not taken; undefined when they were, or never will be. */
  async #send(batch: readonly Transition[], failures: number): Promise<string | undefined> {
    const { status, fault } = await this.#attempt(batch, failures)
    if (status === 200) return undefined
    if (status !== 400) return fault
    const [only] = batch
    return only && batch.length === 1 ? this.#giveUp(only, fault) : this.#isolate(batch)
  }

  /** One by one: it has taken those that are right, and does not say which of them are not. */
  async #isolate(batch: readonly Transition[]): Promise<string | undefined> {
    for (const one of batch) {
      const fault = await this.#send([one], 0)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  async #giveUp(one: Transition, reason: string): Promise<string | undefined> {
    try {
      await this.#options.setAside(one, reason)
    } catch (error) {
      return messageOf(error)
    }
    this.#refused.add(one.id)
    if (this.#refused.size > MOST_REFUSED) this.#refused.delete(this.#refused.values().next().value as string)
    return undefined
  }

  async #attempt(batch: readonly Transition[], failures: number): Promise<Answer> {
    const { metrics } = this.#options
    const startMs = performance.now()
    if (failures > 0) metrics.notified('alertmanager', 'retried', batch.length)
    const answer = await this.#post(batch)
    metrics.attemptTook('alertmanager', (performance.now() - startMs) / 1000)
    metrics.notified('alertmanager', answer.status === 200 ? 'sent' : 'failed', batch.length)
    return answer
  }

  async #post(batch: readonly Transition[]): Promise<Answer> {
    const body = JSON.stringify(batch.map((one) => postable(one, this.#options, Date.now())))
    const headers = { 'content-type': 'application/json', 'user-agent': 'fleetloom-alerter' }
    const signal = AbortSignal.any([AbortSignal.timeout(this.#options.timeoutMs), this.#stop.signal])
    try {
      const response = await fetch(this.#endpoint, { method: 'POST', headers, body, signal, redirect: 'error' })
      const text = await response.text()
      return { status: response.status, fault: `HTTP ${response.status}: ${text.trim().slice(0, 300)}` }
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : ''
      return { status: 0, fault: `${messageOf(error)}${cause}` }
    }
  }

  async #pause(failures: number, fault: string): Promise<void> {
    this.#options.log[failures === 1 ? 'warn' : 'debug']({ failures }, `alerts wait: ${fault}`)
    await sleep(backoffMs(failures), undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }
}
