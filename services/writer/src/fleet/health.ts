/** What the conditions of a fleet should say of its writing: the database that does not take rows, rows refused, a stream that fills. */
import type { Observation } from '@fleetloom/shared/pipeline/applied-document'
import { HIGH_WATER } from '../trim/decide.ts'
import type { StreamState } from '../trim/trimmer.ts'

const RECENT_MS = 10 * 60_000
/** A hiccup that the next attempt heals is not worth a condition. */
const PATIENCE_MS = 3_000
const MESSAGE_LENGTH = 1024

type Failing = { readonly sinceMs: number; readonly reason: string }

const minutes = (seconds: number): string =>
  seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`

export class Health {
  readonly #now: () => number
  #failing: Failing | undefined
  #refused = { count: 0, lastMs: Number.NEGATIVE_INFINITY, detail: '' }

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** Rows wait, for this reason. */
  failing(reason: string): void {
    this.#failing = { sinceMs: this.#failing?.sinceMs ?? this.#now(), reason }
  }

  /** What was collected is settled. */
  settled(): void {
    this.#failing = undefined
  }

  /** Rows or batches went to the dead letters. */
  refused(count: number, detail: string): void {
    const fresh = this.#now() - this.#refused.lastMs > RECENT_MS
    this.#refused = { count: (fresh ? 0 : this.#refused.count) + count, lastMs: this.#now(), detail }
  }

  observed(stream: StreamState): Observation[] {
    return [this.#backlogged(), this.#deadLetters(), this.#filling(stream)].flatMap((observation) =>
      observation === undefined ? [] : [{ ...observation, message: observation.message.slice(0, MESSAGE_LENGTH) }],
    )
  }

  #backlogged(): Observation | undefined {
    if (!this.#failing || this.#now() - this.#failing.sinceMs < PATIENCE_MS) return undefined
    const since = new Date(this.#failing.sinceMs).toISOString()
    const message = `readings wait in the stream since ${since}, none is lost; retried with backoff: ${this.#failing.reason}`
    return { type: 'Backlogged', message }
  }

  #deadLetters(): Observation | undefined {
    const { count, lastMs, detail } = this.#refused
    if (count === 0 || this.#now() - lastMs > RECENT_MS) return undefined
    const message = `${count} refused by the writer lately; see the dead letters of reason database_rejected and foreign_fleet. Last: ${detail}`
    return { type: 'DeadLetters', message }
  }

  #filling({ fill, secondsLeft, unread }: StreamState): Observation | undefined {
    if (fill <= HIGH_WATER || unread === 0) return undefined
    const left = Number.isFinite(secondsLeft) ? `full in about ${minutes(secondsLeft)}` : 'not growing at present'
    const message = `the stream is ${Math.round(fill * 20) * 5} % full of readings that the database has not taken, ${left}; when it is full the broker queues. Bring the database back, or raise stream.maxBytes`
    return { type: 'StreamFilling', message }
  }
}
