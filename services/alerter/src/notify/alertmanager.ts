/**
 * Tells one Alertmanager what fires. It is state, not a message: per alert only the newest is sent, whatever came before, and a
 * failed request is repeated with what holds then. What is lost by a crash, or by an Alertmanager that is away, comes again with
 * the next round (`rounds.ts`).
 *
 * No alert holds up others for long. Requests that fail get smaller, by half, and what was in them goes behind what waits; requests that
 * are taken get larger again. Where the answer says that the alerts are at fault, and not the way to the Alertmanager, the smaller
 * request follows at once, and an alert that is refused alone is set aside.
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

type Posted = { readonly one: Transition; readonly text: string }

/** Alerts in one request, and their bytes: a single one is sent however long it is. */
const MOST_SENT = 64
export const MOST_BYTES = 512 * 1024
/** Answers that tell of credentials, address or load: somebody may mend that, so no alert is given up for it. */
const NOT_OF_ALERTS: ReadonlySet<number> = new Set([401, 403, 404, 405, 407, 408, 429])
/** Nobody answered, or only a proxy: the Alertmanager may be another one when it comes back. */
const AWAY: ReadonlySet<number> = new Set([0, 502, 503, 504])
/** Waiting ones: those beyond are left to the next round, which tells everything that fires. */
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
  #size = MOST_SENT
  #wasAway = false

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
    for (let failures = 0; this.#waiting.size > 0 && !this.#stop.signal.aborted; )
      failures = await this.#send(this.#next(), failures)
  }

  /** The first that wait, as many as go into one request. */
  #next(): Posted[] {
    const batch: Posted[] = []
    let bytes = 0
    for (const one of this.#waiting.values()) {
      if (batch.length === this.#size) break
      const text = JSON.stringify(postable(one, this.#options, Date.now()))
      bytes += Buffer.byteLength(text) + 1
      if (batch.length > 0 && bytes > MOST_BYTES) break
      batch.push({ one, text })
    }
    return batch
  }

  /** One request; returns how many failed in a row. */
  async #send(batch: readonly Posted[], failures: number): Promise<number> {
    const { status, fault } = await this.#attempt(batch, failures)
    if (status === 200) return this.#taken(batch)
    this.#size = Math.max(1, Math.floor(batch.length / 2))
    this.#wasAway ||= AWAY.has(status)
    const isRefusal = status >= 400 && status < 500 && !NOT_OF_ALERTS.has(status)
    if (isRefusal && batch.length > 1) return failures
    const [only] = batch
    const reason = isRefusal && only ? await this.#giveUp(only.one, fault) : fault
    if (reason === undefined) return failures
    for (const { one } of batch) if (this.#drop(one)) this.#waiting.set(recordKey('firing', one), one)
    await this.#pause(failures + 1, reason)
    return failures + 1
  }

  #taken(batch: readonly Posted[]): number {
    for (const { one } of batch) this.#drop(one)
    this.#size = Math.min(MOST_SENT, this.#size * 2)
    if (this.#wasAway) this.#options.onBack()
    this.#wasAway = false
    return 0
  }

  /** Whether it still waited, and nothing newer of its alert did. */
  #drop(one: Transition): boolean {
    const key = recordKey('firing', one)
    return this.#waiting.get(key) === one && this.#waiting.delete(key)
  }

  /** Why it could not be set aside; undefined when it was. */
  async #giveUp(one: Transition, reason: string): Promise<string | undefined> {
    try {
      await this.#options.setAside(one, reason)
    } catch (error) {
      return messageOf(error)
    }
    this.#drop(one)
    this.#refused.add(one.id)
    if (this.#refused.size > MOST_REFUSED) this.#refused.delete(this.#refused.values().next().value as string)
    return undefined
  }

  async #attempt(batch: readonly Posted[], failures: number): Promise<Answer> {
    const { metrics } = this.#options
    const startMs = performance.now()
    if (failures > 0) metrics.notified('alertmanager', 'retried', batch.length)
    const answer = await this.#post(batch)
    metrics.attemptTook('alertmanager', (performance.now() - startMs) / 1000)
    metrics.notified('alertmanager', answer.status === 200 ? 'sent' : 'failed', batch.length)
    return answer
  }

  async #post(batch: readonly Posted[]): Promise<Answer> {
    const body = `[${batch.map(({ text }) => text).join(',')}]`
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
