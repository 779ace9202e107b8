/**
 * Publishes what a shard found, and holds on to it until the stream has it. What the stream does not take is tried again for as
 * long as it lasts; meanwhile the bound fills, and the shard reads no further. Messages of one order follow each other.
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

/** Most letters under way, over all shards of the process. */
const UNDER_WAY = 1_000
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
  readonly #last = new Map<string, Promise<boolean>>()
  #underWay = 0
  #room: PromiseWithResolvers<void> | undefined

  constructor({ js, log }: { readonly js: Pick<Nats['js'], 'publish'>; readonly log: Logger }) {
    this.#js = js
    this.#log = log
  }

  get underWay(): number {
    return this.#underWay
  }

  /** Resolves when the stream has the letter: to false when it had it before. @throws when the process stops first. */
  send(letter: Letter): Promise<boolean> {
    const before = this.#last.get(letter.order) ?? Promise.resolve(true)
    this.#underWay++
    const stored = before.then(() => this.#publish(letter)).finally(() => this.#settled(letter.order, stored))
    this.#last.set(letter.order, stored)
    return stored
  }

  /** Resolves when there is room for more. */
  async room(): Promise<void> {
    while (this.#underWay >= UNDER_WAY) {
      this.#room ??= Promise.withResolvers()
      await this.#room.promise
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error('the process stops'))
  }

  #settled(order: string, stored: Promise<boolean>): void {
    this.#underWay--
    if (this.#last.get(order) === stored) this.#last.delete(order)
    this.#room?.resolve()
    this.#room = undefined
  }

  async #publish({ subject, body, options }: Letter): Promise<boolean> {
    const { signal } = this.#stop
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
