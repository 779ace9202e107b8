/**
 * What every Alertmanager is to know, out of the records: each round sends everything that fires, before it would expire there, and
 * everything that has resolved lately, so that one that was away, or forgot, or heard of it before a crash of ours, comes to know what
 * holds. A round begins
 *
 * - at the start and when this replica comes to own other partitions,
 * - when an Alertmanager takes alerts again,
 * - every `resendMs`.
 *
 * A silenced alert is left out: Alertmanager ends it by itself after `expiresMs`, and hears of it again when the silence is over. A
 * round also removes records that have served: of resolved alerts after `RESOLVED_KEPT_MS`, and acknowledgements of what fires no more.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  allRecords,
  parseTransition,
  recordFilter,
  recordKey,
  type StoredRecord,
} from '@fleetloom/shared/alerts/records'
import { partitionOf, type Transition } from '@fleetloom/shared/alerts/transition'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { Alertmanager } from './alertmanager.ts'
import type { NotifyParts } from './parts.ts'

/** Longer than any Alertmanager believes a firing alert by default, as in Prometheus. */
export const RESOLVED_KEPT_MS = 15 * 60_000

const MOST_NEWEST = 20_000

type RoundsOptions = NotifyParts & {
  readonly alertmanagers: readonly Alertmanager[]
  readonly resendMs: number
  /** Whether this replica works on the partition. */
  readonly owns: (partition: number) => boolean
}

export class Rounds implements AsyncDisposable {
  readonly #options: RoundsOptions
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  /** Event time of what was told last of an alert: a round may have read its record just before that. */
  readonly #newest = new Map<string, number>()
  #wake = new AbortController()

  constructor(options: RoundsOptions) {
    this.#options = options
    this.#done = this.#run()
  }

  /** Begins the next round soon. */
  soon(): void {
    this.#wake.abort()
  }

  /** Tells of one transition at once, unless a newer one of its alert was told. */
  tell(one: Transition): void {
    const key = recordKey('firing', one)
    if ((this.#newest.get(key) ?? Number.NEGATIVE_INFINITY) > one.atMicros) return
    this.#newest.delete(key)
    this.#newest.set(key, one.atMicros)
    if (this.#newest.size > MOST_NEWEST) this.#newest.delete(this.#newest.keys().next().value as string)
    for (const each of this.#options.alertmanagers) each.tell(one)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#wake.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController()
      const pauseMs = await this.#round().then(
        () => this.#options.resendMs,
        (error) => {
          this.#options.log.warn(`a round of the alerts failed: ${messageOf(error)}`)
          return Math.min(1_000, this.#options.resendMs)
        },
      )
      if (this.#stop.signal.aborted) return
      await sleep(pauseMs, undefined, { signal: this.#wake.signal }).catch(() => undefined)
    }
  }

  async #round(): Promise<void> {
    const firing = new Set<string>()
    for await (const record of this.#records('firing')) {
      firing.add(alertOf(record.key))
      await this.#tellAgain(record)
    }
    for await (const record of this.#records('resolved')) {
      await this.#tellAgain(record)
      if (isOld(record)) await this.#remove(record)
    }
    for await (const record of this.#records('acknowledged'))
      if (isOld(record) && !firing.has(alertOf(record.key))) await this.#remove(record)
  }

  #records(kind: 'firing' | 'resolved' | 'acknowledged'): AsyncGenerator<StoredRecord, void> {
    const { nats, names } = this.#options
    return allRecords(nats.jsm, names.buckets.alerts, recordFilter(kind))
  }

  async #tellAgain({ key, value }: StoredRecord): Promise<void> {
    const one = parseTransition(value)
    if (one === undefined) return this.#options.log.error({ key }, 'a record of an alert can not be read')
    const isWanted = this.#options.owns(partitionOf(one)) && one.notify.some(({ kind }) => kind === 'alertmanager')
    if (isWanted && (await this.#options.silences.of(one)) === undefined) this.tell(one)
  }

  async #remove({ key, revision }: StoredRecord): Promise<void> {
    await this.#options.kv.delete(key, { previousSeq: revision }).catch(() => undefined)
  }
}

/** What is behind the kind in the key of a record. */
const alertOf = (key: string): string => key.slice(key.indexOf('.') + 1)

const isOld = ({ writtenMs }: StoredRecord): boolean => Date.now() - writtenMs > RESOLVED_KEPT_MS
