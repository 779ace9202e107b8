/**
 * Publishes what shards found, and holds on to it until the stream has it. What the stream does not take is tried again for as
 * long as it lasts, or until nobody wants it any more. Messages of one order follow each other. How many there may be is bounded by
 * those who send (`outgoing.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Nats } from '@fleetloom/shared/nats'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { JetStreamPublishOptions } from '@nats-io/jetstream'

export type Letter = {
  /** Letters with the same one are published one after the other. */
  readonly order: string
  readonly subject: string
  readonly body: string
  readonly options: Partial<JetStreamPublishOptions>
}

const RETRY = { firstMs: 100, maxMs: 5_000 } as const
const TIMEOUT_MS = 10_000
/** "wrong last sequence": a subject that was to be empty holds a message, the same one from an earlier life. */
const REPEAT = 10071

const isRepeat = (error: unknown): boolean => (error as { code?: number }).code === REPEAT

export class Sender implements Disposable {
  readonly #js: Pick<Nats['js'], 'publish'>
  readonly #log: Logger
  readonly #stop = new AbortController()
  /** The last letter of each order that is under way. */
  readonly #last = new Map<string, Promise<unknown>>()
  #underWay = 0

  constructor({ js, log }: { readonly js: Pick<Nats['js'], 'publish'>; readonly log: Logger }) {
    this.#js = js
    this.#log = log
  }

  get underWay(): number {
    return this.#underWay
  }

  /** Resolves when the stream has the letter: to false when it had it before. @throws when it was given up: see `signal`. */
  send(letter: Letter, signal: AbortSignal): Promise<boolean> {
    const before = this.#last.get(letter.order) ?? Promise.resolve()
    this.#underWay++
    const stored = before.then(() => this.#publish(letter, AbortSignal.any([signal, this.#stop.signal])))
    const settled: Promise<void> = stored.then(
      () => this.#settled(letter.order, settled),
      () => this.#settled(letter.order, settled),
    )
    this.#last.set(letter.order, settled)
    return stored
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error('the process stops'))
  }

  #settled(order: string, settled: Promise<void>): void {
    this.#underWay--
    if (this.#last.get(order) === settled) this.#last.delete(order)
  }

  async #publish({ subject, body, options }: Letter, signal: AbortSignal): Promise<boolean> {
    for (let waitMs: number = RETRY.firstMs; ; waitMs = Math.min(waitMs * 2, RETRY.maxMs)) {
      signal.throwIfAborted()
      try {
        await this.#js.publish(subject, body, { timeout: TIMEOUT_MS, ...options })
        return true
      } catch (error) {
        if (isRepeat(error)) return false
        this.#log.warn({ subject }, `the stream does not take a message, it is tried again: ${messageOf(error)}`)
      }
      await sleep(waitMs, undefined, { signal })
    }
  }
}
