/**
 * Follows a KV bucket through anything that can happen to it: a watch for speed and a comparison for certainty.
 *
 * 1. List the keys, read each, report what is new and what is gone; then watch for changes.
 * 2. Every second ask for the bucket's last sequence. When the server was away, or the watch has not delivered up to that
 *    sequence by the next time, the watch is lost (its consumer lives in the server's memory): go back to 1. So too when the
 *    bucket is another one than it was (somebody deleted it, and it was made again): its revisions count anew.
 *
 * An entry is reported once per revision, in order of revision per key.
 */
import type { KV, KvWatchEntry } from '@nats-io/kv'
import type { Logger } from '../process/logger.ts'
import { messageOf } from '../process/logger.ts'

export type BucketHandlers = {
  readonly kv: KV
  readonly log: Logger
  readonly onPut: (key: string, value: Uint8Array, revision: number) => void
  readonly onDelete: (key: string) => void
}

const CHECK_INTERVAL_MS = 1_000
const READS_AT_ONCE = 64
/** How long a comparison that found nothing missing vouches for what was reported. */
const CURRENT_MS = 5_000

export type Following = AsyncDisposable & {
  /** Whether what was reported is what the bucket holds, but for the last seconds; false while it can't be reached. */
  isCurrent(): boolean
}

type Watch = Awaited<ReturnType<KV['watch']>>

/** Resolves once every current entry has been reported. */
export const followBucket = async (handlers: BucketHandlers): Promise<Following> => {
  const follower = new Follower(handlers)
  await follower.open()
  const timer = setInterval(() => void follower.check(), CHECK_INTERVAL_MS)
  return {
    isCurrent: () => follower.isCurrent(),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      follower.close()
    },
  }
}

const chunksOf = (keys: readonly string[], size: number): string[][] =>
  Array.from({ length: Math.ceil(keys.length / size) }, (_, i) => keys.slice(i * size, (i + 1) * size))

class Follower {
  readonly #handlers: BucketHandlers
  /** Revision of each key that exists. */
  readonly #revisions = new Map<string, number>()
  #watch: Watch | undefined
  /** When the bucket was made. */
  #created = ''
  #seen = 0
  #comparedAt = Number.NEGATIVE_INFINITY
  #suspect = false
  #checking = false
  #closed = false

  constructor(handlers: BucketHandlers) {
    this.#handlers = handlers
  }

  async open(): Promise<void> {
    const { kv } = this.#handlers
    this.#watch?.stop()
    const { created, last } = await this.#look()
    if (created !== this.#created) this.#startAnew(created)
    const keys = await this.#list()
    for (const key of this.#revisions.keys()) if (!keys.has(key)) this.#delete(key)
    this.#watch = await kv.watch()
    if (this.#closed) this.#watch.stop()
    this.#seen = Math.max(this.#seen, last)
    this.#suspect = false
    this.#comparedAt = performance.now()
    void this.#consume(this.#watch)
  }

  /** Reports every entry, some read at once; returns their keys. */
  async #list(): Promise<ReadonlySet<string>> {
    const { kv } = this.#handlers
    const keys = await Array.fromAsync(await kv.keys())
    for (const some of chunksOf(keys, READS_AT_ONCE))
      for (const entry of await Promise.all(some.map((key) => kv.get(key))))
        if (entry?.operation === 'PUT') this.#put(entry.key, entry.value, entry.revision)
    return new Set(keys)
  }

  close(): void {
    this.#closed = true
    this.#watch?.stop()
  }

  isCurrent(): boolean {
    return performance.now() - this.#comparedAt < CURRENT_MS
  }

  async check(): Promise<void> {
    if (this.#checking || this.#closed) return
    this.#checking = true
    try {
      await this.#compare()
    } catch (error) {
      if (!this.#closed) this.#handlers.log.debug(`bucket not reachable: ${messageOf(error)}`)
      this.#suspect = true
      this.#seen = -1
      this.#comparedAt = Number.NEGATIVE_INFINITY
    } finally {
      this.#checking = false
    }
  }

  async #compare(): Promise<void> {
    const { created, last } = await this.#look()
    const behind = last > this.#seen
    if (created !== this.#created || (behind && this.#suspect)) return this.open()
    this.#suspect = behind
    if (!behind) this.#comparedAt = performance.now()
  }

  async #look(): Promise<{ readonly created: string; readonly last: number }> {
    const { streamInfo } = await this.#handlers.kv.status()
    return { created: streamInfo.created, last: streamInfo.state.last_seq }
  }

  /** What was known stays known until the new bucket was listed. */
  #startAnew(created: string): void {
    this.#created = created
    this.#seen = 0
    for (const key of this.#revisions.keys()) this.#revisions.set(key, 0)
  }

  async #consume(watch: Watch): Promise<void> {
    for await (const entry of watch) this.#take(entry)
  }

  #take(entry: KvWatchEntry): void {
    this.#seen = Math.max(this.#seen, entry.revision)
    if (entry.operation === 'PUT') this.#put(entry.key, entry.value, entry.revision)
    else if ((this.#revisions.get(entry.key) ?? Number.POSITIVE_INFINITY) < entry.revision) this.#delete(entry.key)
  }

  #put(key: string, value: Uint8Array, revision: number): void {
    if ((this.#revisions.get(key) ?? 0) >= revision) return
    this.#revisions.set(key, revision)
    this.#handlers.onPut(key, value, revision)
  }

  #delete(key: string): void {
    this.#revisions.delete(key)
    this.#handlers.onDelete(key)
  }
}
