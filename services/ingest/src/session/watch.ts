/** What a session sees that its fleet's conditions should say, each for a while after it was last seen. */
import type { Observation } from '@fleetloom/shared/pipeline/applied-document'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { RateSketch } from './rate.ts'
import { RecentCounts } from './recent.ts'

const MINUTE_MS = 60_000
const KEPT_MS = { rate: MINUTE_MS, fields: 10 * MINUTE_MS, letters: 10 * MINUTE_MS, duplicates: 60 * MINUTE_MS }
const NAMED = 8

/** How far behind the broker the session is, and how long the broker's queue will last. */
export type Backlog = { readonly lagSeconds: number; readonly leftSeconds: number }

const BACKLOG_SECONDS = 10

export class Watch {
  readonly rate: RateSketch
  readonly fields = new RecentCounts(64)
  readonly letters = new RecentCounts(64)
  #duplicates = 0
  /** Most that can be delivered twice on this connection. */
  #possible = 0
  #duplicatesMs = Number.NEGATIVE_INFINITY
  #perSecond: number

  constructor({ limits }: FleetDocument) {
    this.#perSecond = limits.messagesPerSecond
    this.rate = new RateSketch(limits.messagesPerSecond)
  }

  swap({ limits }: FleetDocument): void {
    this.#perSecond = limits.messagesPerSecond
    this.rate.setLimit(limits.messagesPerSecond)
  }

  /** A new connection follows: the first `possible` messages on it may have been taken before. */
  reconnecting(possible: number): void {
    this.#possible = possible
  }

  /** A message without a timestamp was delivered a second time. Brokers mark more so than we can have taken before. */
  duplicate(nowMs: number): void {
    if (this.#possible-- <= 0) return
    this.#duplicates++
    this.#duplicatesMs = nowMs
  }

  observed(nowMs: number, backlog: Backlog): Observation[] {
    return [
      this.#rate(nowMs),
      this.#unknown(nowMs),
      this.#letters(nowMs),
      this.#duplicated(nowMs),
      this.#backlog(backlog),
    ].filter((observation) => observation !== undefined)
  }

  #rate(nowMs: number): Observation | undefined {
    const excess = this.rate.since(nowMs - KEPT_MS.rate)
    if (excess.length === 0) return undefined
    const named = excess
      .toSorted((a, b) => b.perSecond - a.perSecond)
      .slice(0, NAMED)
      .map(({ device, perSecond }) => `${device} (${perSecond}/s)`)
    const others = excess.length > NAMED ? ` and ${excess.length - NAMED} more` : ''
    const message = `More than limits.messagesPerSecond = ${this.#perSecond} from ${named.join(', ')}${others}. Nothing is dropped.`
    return { type: 'RateExceeded', message }
  }

  #unknown(nowMs: number): Observation | undefined {
    const named = this.fields.describe(nowMs - KEPT_MS.fields, NAMED)
    const message = `Fields that the fleet does not declare: ${named}. They are not stored; add them to spec.measurements.`
    return named ? { type: 'UnknownFields', message: message.slice(0, 1024) } : undefined
  }

  #letters(nowMs: number): Observation | undefined {
    const named = this.letters.describe(nowMs - KEPT_MS.letters, NAMED)
    return named ? { type: 'DeadLetters', message: `Messages set aside lately: ${named}.`.slice(0, 1024) } : undefined
  }

  #duplicated(nowMs: number): Observation | undefined {
    if (nowMs - this.#duplicatesMs > KEPT_MS.duplicates) return undefined
    const message = `${this.#duplicates} messages without a timestamp were delivered again after an interruption; as many rows may stand twice. Messages that carry a timestamp do not.`
    return { type: 'DuplicatesPossible', message }
  }

  #backlog({ lagSeconds, leftSeconds }: Backlog): Observation | undefined {
    if (lagSeconds < BACKLOG_SECONDS) return undefined
    const left = Number.isFinite(leftSeconds)
      ? ` At the last rate its queue lasts ${Math.round(leftSeconds)} s more.`
      : ''
    return { type: 'Backlogged', message: `The broker holds messages of the last ${Math.round(lagSeconds)} s.${left}` }
  }
}
