/**
 * Rows on their way to the alerts' table, of all lanes together: while one request is under way the next rows gather, so a burst
 * costs few requests and a single row waits for nothing. A database that is away is waited for; the lanes bound how many rows wait.
 * A row that the database refuses is set aside, and the others go on. The same row again changes nothing: the table's key sees to it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { backoffMs } from '@fleetloom/shared/backoff'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Answer } from '@fleetloom/shared/questdb/answer'
import type { Questdb } from '@fleetloom/shared/questdb/client'
import { COLUMNS, rowOf } from './row.ts'

const MOST_ROWS = 1_000

/** A row that waits; `done` is called when it is in the database, or was set aside. */
export type Pending = { readonly transition: Transition; readonly done: () => void }

export type SinkOptions = {
  readonly questdb: Pick<Questdb, 'write' | 'renew'>
  readonly table: string
  /** Resolves once the refused row is in the dead-letter stream. */
  readonly setAside: (transition: Transition, row: string, reason: string) => Promise<void>
  readonly onWritten: (rows: number) => void
  readonly log: Logger
}

export class RowSink implements AsyncDisposable {
  readonly #options: SinkOptions
  readonly #stop = new AbortController()
  #waiting: Pending[] = []
  #writing: Promise<void> | undefined

  constructor(options: SinkOptions) {
    this.#options = options
  }

  add(pending: Pending): void {
    this.#waiting.push(pending)
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
    })
  }

  /** Stops after the request under way; what still waits is in the stream. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    for (let failures = 0; this.#waiting.length > 0 && !this.#stop.signal.aborted; ) {
      const batch = this.#waiting.splice(0, MOST_ROWS)
      const left = await this.#write(batch, failures)
      failures = left.length === 0 ? 0 : failures + 1
      if (left.length > 0) this.#waiting = [...left, ...this.#waiting]
      if (failures > 0)
        await sleep(backoffMs(failures), undefined, { signal: this.#stop.signal }).catch(() => undefined)
    }
  }

  /** Writes what it can of a batch and returns the rest. Never rejects. */
  async #write(batch: readonly Pending[], failures: number): Promise<readonly Pending[]> {
    const wait = (reason: string): readonly Pending[] => {
      this.#options.log[failures === 0 ? 'warn' : 'debug']({ rows: batch.length }, `history waits: ${reason}`)
      return batch
    }
    try {
      const answer = await this.#post(batch)
      if (answer.kind === 'accepted') return this.#settle(batch)
      if (answer.kind === 'unavailable') return wait(answer.reason)
      return await this.#isolate(batch)
    } catch (error) {
      return wait(messageOf(error))
    }
  }

  /** One by one: a refusal is then about the row that it names. Rare enough to be slow. */
  async #isolate(batch: readonly Pending[]): Promise<readonly Pending[]> {
    for (const [index, one] of batch.entries()) {
      const answer = await this.#post([one])
      if (answer.kind === 'unavailable') return batch.slice(index)
      if (answer.kind !== 'accepted') {
        const { transition } = one
        await this.#options.setAside(transition, rowOf(this.#options.table, transition), answer.fault.detail)
        this.#options.log.warn({ id: transition.id }, `set aside: ${answer.fault.detail}`)
      }
      this.#settle([one])
    }
    return []
  }

  /** Over a connection of its own: one that wrote to a table which was made anew meanwhile loses a request without a word. */
  #post(batch: readonly Pending[]): Promise<Answer> {
    const { questdb, table } = this.#options
    questdb.renew()
    const bodies = batch.map(({ transition }) => Buffer.from(rowOf(table, transition)))
    return questdb.write(bodies, { table, columns: COLUMNS })
  }

  #settle(batch: readonly Pending[]): [] {
    for (const { done } of batch) done()
    this.#options.onWritten(batch.length)
    return []
  }
}
