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

/** Rows in one request, and their bytes: a single row is sent however long it is. */
const MOST_ROWS = 1_000
export const MOST_BYTES = 512 * 1024

/** A row that waits; `done` is called when it is in the database, or was set aside. */
export type Pending = { readonly transition: Transition; readonly done: () => void }

type Encoded = Pending & { readonly row: Buffer }

export type SinkOptions = {
  readonly questdb: Pick<Questdb, 'write' | 'renew'>
  readonly table: string
  /** Resolves once the refused row is in the dead-letter stream. */
  readonly setAside: (transition: Transition, row: Uint8Array, reason: string) => Promise<void>
  readonly onWritten: (rows: number) => void
  readonly log: Logger
}

export class RowSink implements AsyncDisposable {
  readonly #options: SinkOptions
  readonly #stop = new AbortController()
  readonly #waiting: Pending[] = []
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
      const batch = this.#next()
      const settled = await this.#write(batch, failures)
      this.#waiting.splice(0, settled)
      failures = settled === batch.length ? 0 : failures + 1
      if (failures > 0)
        await sleep(backoffMs(failures), undefined, { signal: this.#stop.signal }).catch(() => undefined)
    }
  }

  /** The first rows that wait, as many as go into one request. */
  #next(): Encoded[] {
    const batch: Encoded[] = []
    let bytes = 0
    for (const one of this.#waiting.slice(0, MOST_ROWS)) {
      const row = Buffer.from(rowOf(this.#options.table, one.transition))
      bytes += row.length
      if (batch.length > 0 && bytes > MOST_BYTES) break
      batch.push({ ...one, row })
    }
    return batch
  }

  /** Writes what it can of a batch and returns how many of its rows are settled, the first ones. Never rejects. */
  async #write(batch: readonly Encoded[], failures: number): Promise<number> {
    const wait = (reason: string): number => {
      this.#options.log[failures === 0 ? 'warn' : 'debug']({ rows: batch.length }, `history waits: ${reason}`)
      return 0
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
  async #isolate(batch: readonly Encoded[]): Promise<number> {
    for (const [index, one] of batch.entries()) {
      const answer = await this.#post([one])
      if (answer.kind === 'unavailable') return index
      if (answer.kind !== 'accepted') {
        const { transition, row } = one
        await this.#options.setAside(transition, row, answer.fault.detail)
        this.#options.log.warn({ id: transition.id }, `set aside: ${answer.fault.detail}`)
      }
      this.#settle([one])
    }
    return batch.length
  }

  /** Over a connection of its own: one that wrote to a table which was made anew meanwhile loses a request without a word. */
  #post(batch: readonly Encoded[]): Promise<Answer> {
    const { questdb, table } = this.#options
    questdb.renew()
    const bodies = batch.map(({ row }) => row)
    return questdb.write(bodies, { table, columns: COLUMNS })
  }

  #settle(batch: readonly Pending[]): number {
    for (const { done } of batch) done()
    this.#options.onWritten(batch.length)
    return batch.length
  }
}
