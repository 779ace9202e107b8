/** How full the alert stream is, how long its oldest transition waits for each outlet, and room in it (`decide.ts`). */

import type { Names } from '@fleetloom/crds/names'
import { checkpointKey } from '@fleetloom/crds/names'
import { readRecords } from '@fleetloom/shared/alerts/records'
import type { Nats } from '@fleetloom/shared/nats'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { MsgRequest, StoredMsg } from '@nats-io/jetstream'
import { type AlertStreamFacts, firstKept, isFull, keepFromMs } from './decide.ts'

/** A durable consumer of the alert stream. `outlet`: the kind of lane, for people. */
export type WatchedLane = { readonly name: string; readonly filter: string; readonly outlet: string }

export type StreamGauges = {
  fill(ratio: number): void
  /** Seconds that the oldest transition has waited, by outlet; none while another replica watches. */
  waits(seconds: ReadonlyMap<string, number>): void
  trimmed(messages: number): void
}

export type StreamWatchOptions = {
  readonly nats: Pick<Nats, 'jsm'>
  readonly names: Names
  readonly lanes: readonly WatchedLane[]
  /** Whether this replica is the one that trims. */
  readonly owns: () => boolean
  readonly gauges: StreamGauges
  readonly log: Logger
  readonly everyMs?: number
  /** See `decide.ts`; for tests. */
  readonly keptMs?: number
}

type Waiting = { readonly seq: number; readonly ms: number }

const EVERY_MS = 10_000

/** Checks that fail in a row before a person is told; one or two do while NATS starts or a consumer is made anew. */
const PATIENCE = 3

export class StreamWatch implements AsyncDisposable {
  readonly #options: StreamWatchOptions
  readonly #timer: NodeJS.Timeout
  #checking: Promise<void> | undefined
  #failures = 0

  constructor(options: StreamWatchOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#begin(), options.everyMs ?? EVERY_MS)
    this.#begin()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#checking
  }

  #begin(): void {
    this.#checking ??= this.#check()
      .then(() => {
        this.#failures = 0
      })
      .catch((error) => this.#failed(error))
      .finally(() => {
        this.#checking = undefined
      })
  }

  #failed(error: unknown): void {
    const level = ++this.#failures === PATIENCE ? 'warn' : 'debug'
    this.#options.log[level](`the alert stream is not watched or trimmed: ${messageOf(error)}`)
  }

  /** The stream is asked first: a consumer that has nothing left then has taken all of what was there. */
  async #check(): Promise<void> {
    const { nats, names, owns, gauges } = this.#options
    const { state, config } = await nats.jsm.streams.info(names.alertStream)
    const [bytes, maxBytes] = [state.bytes, config.max_bytes]
    gauges.fill(maxBytes > 0 ? bytes / maxBytes : 0)
    if (!owns()) return gauges.waits(new Map())
    const waiting = await this.#waiting()
    if (maxBytes <= 0 || !isFull({ bytes, maxBytes })) return
    const end = state.last_seq + 1
    const waitingSeq = Math.min(end, ...waiting.map(({ seq }) => seq))
    const keepSeq = (await this.#firstSince(await this.#keepFromMs())) ?? end
    await this.#trim({ firstSeq: state.first_seq, lastSeq: state.last_seq, bytes, maxBytes, waitingSeq, keepSeq })
  }

  async #trim(facts: AlertStreamFacts): Promise<void> {
    const { nats, names, gauges, log } = this.#options
    const seq = firstKept(facts)
    if (seq === undefined) return
    const { purged } = await nats.jsm.streams.purge(names.alertStream, { seq })
    gauges.trimmed(purged)
    log.debug({ purged }, 'transitions that everybody has heard of made room for new ones')
  }

  /** The oldest transition of each lane that is not settled. @throws when a consumer is missing, as while it is made anew */
  async #waiting(): Promise<readonly Waiting[]> {
    const { nats, names, lanes, gauges } = this.#options
    const seconds = new Map(lanes.map(({ outlet }) => [outlet, 0]))
    const found: Waiting[] = []
    for (const { name, filter, outlet } of lanes) {
      const { num_pending, num_ack_pending, ack_floor } = await nats.jsm.consumers.info(names.alertStream, name)
      if (num_pending + num_ack_pending === 0) continue
      const oldest = await this.#message({ seq: ack_floor.stream_seq + 1, next_by_subj: filter })
      if (!oldest) continue
      const ms = Date.parse(oldest.timestamp)
      found.push({ seq: oldest.seq, ms })
      seconds.set(outlet, Math.max(seconds.get(outlet) ?? 0, (Date.now() - ms) / 1000))
    }
    gauges.waits(seconds)
    return found
  }

  async #keepFromMs(): Promise<number> {
    const { nats, names } = this.#options
    const filter = checkpointKey({ namespace: '*', name: '*' }, '*')
    const writtenMs: number[] = []
    for (let from: number | undefined = 1; from !== undefined; ) {
      const page = await readRecords(nats.jsm, { bucket: names.buckets.alerts, filter, from })
      writtenMs.push(...page.records.map((one) => one.writtenMs))
      from = page.next
    }
    return keepFromMs(Date.now(), writtenMs, this.#options.keptMs)
  }

  async #firstSince(ms: number): Promise<number | undefined> {
    return (await this.#message({ start_time: new Date(ms).toISOString() }))?.seq
  }

  /** The server answers these from 2.11 on; the client's type knows them for direct reads only. */
  #message(query: { seq: number; next_by_subj: string } | { start_time: string }): Promise<StoredMsg | null> {
    const { nats, names } = this.#options
    return nats.jsm.streams.getMessage(names.alertStream, query as unknown as MsgRequest)
  }
}
