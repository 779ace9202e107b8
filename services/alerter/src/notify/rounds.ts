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
  allPages,
  parseTransition,
  purgeRecord,
  type RecordKind,
  recordFilter,
  recordKey,
  type StoredRecord,
} from '@fleetloom/shared/alerts/records'
import { partitionOf, type Transition } from '@fleetloom/shared/alerts/transition'
import { backoffMs } from '@fleetloom/shared/backoff'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { Alertmanager } from './alertmanager.ts'
import type { NotifyParts } from './parts.ts'

/** Longer than any Alertmanager believes a firing alert by default, as in Prometheus. */
export const RESOLVED_KEPT_MS = 15 * 60_000

/** Beyond that a round may tell once more what has just changed; the next round puts it right. */
const MOST_NEWEST = 100_000

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
    for (let failures = 0; !this.#stop.signal.aborted; ) {
      this.#wake = new AbortController()
      failures = await this.#attempt(failures)
      const pauseMs = failures === 0 ? this.#options.resendMs : backoffMs(failures)
      if (!this.#stop.signal.aborted)
        await sleep(pauseMs, undefined, { signal: this.#wake.signal }).catch(() => undefined)
    }
  }

  /** One round; returns how many failed in a row. */
  async #attempt(failures: number): Promise<number> {
    try {
      await this.#round()
      return 0
    } catch (error) {
      if (this.#stop.signal.aborted) return 0
      this.#options.log[failures === 0 ? 'warn' : 'debug'](`a round of the alerts failed: ${messageOf(error)}`)
      return failures + 1
    }
  }

  async #round(): Promise<void> {
    const firing = new Set<string>()
    await this.#each('firing', async (record) => {
      firing.add(alertOf(record.key))
      await this.#tellAgain(record)
    })
    await this.#each('resolved', async (record) => {
      if (!firing.has(alertOf(record.key))) await this.#tellAgain(record)
      if (isOld(record)) await this.#purge(record)
    })
    await this.#each('acknowledged', async (record) => {
      if (isOld(record) && !firing.has(alertOf(record.key))) await this.#purge(record)
    })
  }

  /** Also clears away marks of what was removed. */
  async #each(kind: RecordKind, work: (record: StoredRecord) => Promise<void>): Promise<void> {
    const { nats, names } = this.#options
    for await (const { records, removed } of allPages(nats.jsm, names.buckets.alerts, recordFilter(kind))) {
      for (const record of records) await work(record)
      for (const mark of removed.filter(isOld)) await this.#purge(mark)
      this.#stop.signal.throwIfAborted()
    }
  }

  async #tellAgain({ key, value }: StoredRecord): Promise<void> {
    const one = parseTransition(value)
    if (one === undefined) return this.#options.log.error({ key }, 'a record of an alert can not be read')
    const isWanted = this.#options.owns(partitionOf(one)) && one.notify.some(({ kind }) => kind === 'alertmanager')
    if (isWanted && (await this.#options.silences.of(one)) === undefined) this.tell(one)
  }

  #purge(record: StoredRecord): Promise<void> {
    const { nats, names } = this.#options
    return purgeRecord(nats.jsm, names.buckets.alerts, record)
  }
}

/** What is behind the kind in the key of a record. */
const alertOf = (key: string): string => key.slice(key.indexOf('.') + 1)

const isOld = ({ writtenMs }: StoredRecord): boolean => Date.now() - writtenMs > RESOLVED_KEPT_MS
