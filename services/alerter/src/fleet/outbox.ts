/**
 * Publishes transitions on the alert stream, each once: its subject ends in its id and is expected to hold nothing yet, so what
 * an earlier life has published is refused, which is as good as taken. In order per alert: a transition waits for the one before
 * it. What the stream does not take is tried again for as long as it lasts; meanwhile the bound fills, and the shard reads no further.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Names } from '@fleetloom/crds/names'
import { subjectOf, type Transition } from '@fleetloom/shared/alerts/transition'
import type { Nats } from '@fleetloom/shared/nats'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'

/** Most transitions under way, over all shards of the process. */
const IN_FLIGHT = 1_000
const RETRY = { firstMs: 100, maxMs: 5_000 } as const
const PUBLISH_TIMEOUT_MS = 10_000
/** "wrong last sequence": the subject holds a message, the same one. */
const REPEAT = 10071

export type OutboxOptions = {
  readonly js: Nats['js']
  readonly names: Names
  readonly log: Logger
  /** Told of each that is in the stream now: `true` when it was there before. */
  readonly onStored: (one: Transition, wasThere: boolean) => void
}

const codeOf = (error: unknown): number | undefined => (error as { code?: number }).code

export class Outbox implements Disposable {
  readonly #options: OutboxOptions
  readonly #stop = new AbortController()
  /** The last transition of each alert that is under way. */
  readonly #last = new Map<string, Promise<void>>()
  #underWay = 0
  #room: PromiseWithResolvers<void> | undefined

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  get underWay(): number {
    return this.#underWay
  }

  /** Resolves when the transition is in the stream. @throws when the process stops first. */
  send(one: Transition): Promise<void> {
    const alert = `${one.ruleUid} ${one.device}`
    const before = this.#last.get(alert) ?? Promise.resolve()
    this.#underWay++
    const stored = before.then(() => this.#publish(one)).finally(() => this.#settled(alert, stored))
    this.#last.set(alert, stored)
    return stored
  }

  /** Resolves when there is room for more. */
  async room(): Promise<void> {
    while (this.#underWay >= IN_FLIGHT) {
      this.#room ??= Promise.withResolvers()
      await this.#room.promise
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error('the process stops'))
  }

  #settled(alert: string, stored: Promise<void>): void {
    this.#underWay--
    if (this.#last.get(alert) === stored) this.#last.delete(alert)
    this.#room?.resolve()
    this.#room = undefined
  }

  async #publish(one: Transition): Promise<void> {
    const { js, names, log, onStored } = this.#options
    const { signal } = this.#stop
    const [subject, body] = [subjectOf(names, one), JSON.stringify(one)]
    for (let waitMs: number = RETRY.firstMs; ; waitMs = Math.min(waitMs * 2, RETRY.maxMs)) {
      signal.throwIfAborted()
      try {
        await js.publish(subject, body, { expect: { lastSubjectSequence: 0 }, timeout: PUBLISH_TIMEOUT_MS })
        return onStored(one, false)
      } catch (error) {
        if (codeOf(error) === REPEAT) return onStored(one, true)
        log.warn({ id: one.id }, `the alert stream does not take a transition, it is tried again: ${messageOf(error)}`)
      }
      await sleep(waitMs, undefined, { signal })
    }
  }
}
