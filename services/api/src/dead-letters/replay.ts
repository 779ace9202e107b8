/**
 * Replay of dead letters: an `mqtt` letter goes to the ingest replica that owns its fleet, a `row` letter back onto the fleet's
 * stream. A letter is removed once its outcome is durable. Repeating is safe: ingest takes the letter's own arrival
 * time, so the same row comes of it, and a letter that is gone is reported as gone.
 *
 * Requests are sent in order, some at a time on one connection, so that a device's letters keep their order.
 */
import { label, type Names, type Ref } from '@fleetloom/crds/names'
import { deadLetterHeaders } from '@fleetloom/shared/dead-letters/dead-letter'
import { DRY_RUN_HEADER, replayOutcome } from '@fleetloom/shared/dead-letters/replay'
import { batchHeaders } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { JetStreamClient } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/nats-core'
import { isWhole, type Letter, type LetterQuery, type Letters } from './letters.ts'

export type ReplayResult = {
  readonly id: number
  /**
   * `stored`, `rejected`, `would_store`: as ingest answers. `gone`: there is no such letter (any more). `not_replayable`: only
   * the beginning of the payload was kept, or it is a notification. `unavailable`: nobody took it; the letter stays.
   */
  readonly outcome: 'stored' | 'rejected' | 'would_store' | 'gone' | 'not_replayable' | 'unavailable'
  readonly reason?: string | undefined
  readonly field?: string | undefined
  readonly detail?: string | undefined
}

type Parts = {
  readonly connection: NatsConnection
  readonly js: JetStreamClient
  readonly letters: Letters
  readonly names: Names
}

type Options = { readonly document: FleetDocument; readonly dryRun: boolean }

/** At most this many letters are in memory. */
const IN_FLIGHT = 32
const TIMEOUT_MS = 10_000

/** Timestamp at the end of a line of line protocol, ns. */
const TIMESTAMP = / (-?[0-9]{1,19})\n?$/

export class Replay {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Results in the order of `ids`. */
  async byId(fleet: Ref, ids: readonly number[], options: Options): Promise<ReplayResult[]> {
    const results: ReplayResult[] = []
    for (let i = 0; i < ids.length; i += IN_FLIGHT) {
      const some = ids.slice(i, i + IN_FLIGHT)
      const found = await Promise.all(some.map((id) => this.#parts.letters.get(fleet, id)))
      results.push(
        ...(await Promise.all(
          found.map((letter, n) =>
            letter ? this.#one(letter, options) : { id: some[n] as number, outcome: 'gone' as const },
          ),
        )),
      )
    }
    return results
  }

  /** Results of up to `limit` letters, oldest first; `next` when there may be more. */
  async byFilter(
    fleet: Ref,
    { limit, from, ...filter }: LetterQuery,
    options: Options,
  ): Promise<{ readonly results: readonly ReplayResult[]; readonly next?: number }> {
    const results: ReplayResult[] = []
    let next = from
    do {
      const few = Math.min(IN_FLIGHT, limit - results.length)
      const page = await this.#parts.letters.list(fleet, { ...filter, limit: few, from: next })
      results.push(...(await Promise.all(page.letters.map((letter) => this.#one(letter, options)))))
      next = page.next
    } while (next !== undefined && results.length < limit)
    return next === undefined ? { results } : { results, next }
  }

  async #one(letter: Letter, { document, dryRun }: Options): Promise<ReplayResult> {
    const { id } = letter
    if (!isWhole(letter)) return { id, outcome: 'not_replayable', detail: 'only the beginning of the payload was kept' }
    if (letter.letter.stage === 'notification')
      return { id, outcome: 'not_replayable', detail: 'a notification of the past: it would say what is no more' }
    try {
      const result = letter.letter.stage === 'row' ? this.#row(document, letter, dryRun) : this.#mqtt(letter, dryRun)
      const outcome = await result
      if (outcome.outcome === 'stored') await this.#parts.letters.remove(id)
      return outcome
    } catch (error) {
      return { id, outcome: 'unavailable', detail: whyNot(error, document) }
    }
  }

  async #mqtt({ id, letter, body }: Letter, dryRun: boolean): Promise<ReplayResult> {
    const { connection, names } = this.#parts
    const headers = deadLetterHeaders(letter)
    if (dryRun) headers.set(DRY_RUN_HEADER, 'true')
    const answer = await connection.request(names.replaySubject(letter.fleet), body, { headers, timeout: TIMEOUT_MS })
    return { id, ...replayOutcome.parse(answer.json()) }
  }

  async #row(document: FleetDocument, { id, letter, body }: Letter, dryRun: boolean): Promise<ReplayResult> {
    if (letter.uid !== document.uid)
      return {
        id,
        outcome: 'rejected',
        reason: 'foreign_fleet',
        detail: 'the row was made for a fleet that has been deleted',
      }
    const line = new TextDecoder().decode(body)
    const nanos = TIMESTAMP.exec(line)?.[1]
    if (nanos === undefined)
      return { id, outcome: 'rejected', reason: letter.reason, detail: 'the letter holds no row' }
    if (dryRun) return { id, outcome: 'would_store' }
    const micros = Number(BigInt(nanos) / 1000n)
    const { uid, generation } = letter
    const headers = batchHeaders({ rows: 1, firstMicros: micros, lastMicros: micros, uid, generation, traceLinks: [] })
    await this.#parts.js.publish(subjectFor(document, letter), line.endsWith('\n') ? line : `${line}\n`, {
      headers,
      timeout: TIMEOUT_MS,
    })
    return { id, outcome: 'stored' }
  }
}

/** Events go back to where they were; a reading to the shard that its device has now. */
const subjectFor = ({ stream }: FleetDocument, { topic, device }: Letter['letter']): string =>
  topic === stream.eventsSubject
    ? topic
    : (stream.telemetrySubjects[shardOf(device, stream.telemetrySubjects.length)] as string)

const whyNot = (error: unknown, fleet: Ref): string => {
  const text = messageOf(error)
  if (!/no responders/i.test(text)) return text
  return `nobody answers for fleet ${label(fleet)} now: no ingest owns it, or its stream is not there`
}
