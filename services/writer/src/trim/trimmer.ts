/**
 * Keeps room in one fleet's stream by deleting what has been consumed; `decide.ts` says what. A check asks the server for the ack
 * floor, so it is right whoever acknowledged, and two replicas that trim one stream do no harm. Checks are due
 *
 * - when a tenth of the stream's bytes was consumed since the last one,
 * - and by time: each second while the stream is more than half full, every 5 s while it is in use, else every 30 s.
 */
import { WRITER_CONSUMER } from '@fleetloom/crds/names'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { JetStreamManager, MsgRequest } from '@nats-io/jetstream'
import { firstKept, type StreamFacts } from './decide.ts'
import { FillRate } from './fill-rate.ts'

export type StreamState = {
  /** Bytes in the stream as a part of its maxBytes. */
  readonly fill: number
  readonly secondsLeft: number
  /** Messages that the writer has not acknowledged. */
  readonly unread: number
}

export type TrimOptions = {
  readonly jsm: JetStreamManager
  readonly log: Logger
  readonly onTrimmed: (messages: number) => void
}

type Reading = { readonly facts: StreamFacts; readonly unread: number }

const CONSUMED_PART = 0.1
const FULL_MS = 1_000
const BUSY_MS = 5_000
const IDLE_MS = 30_000

const keepSequence = async (
  { jsm }: TrimOptions,
  stream: string,
  state: { first_ts: string; last_seq: number; first_seq: number },
  keepFromMs: number,
): Promise<number> => {
  if (Date.parse(state.first_ts) >= keepFromMs) return state.first_seq
  // the server answers this from 2.11 on, the client's type knows it for direct reads only
  const query = { start_time: new Date(keepFromMs).toISOString() } as unknown as MsgRequest
  const message = await jsm.streams.getMessage(stream, query)
  return message?.seq ?? state.last_seq + 1
}

const read = async (options: TrimOptions, { stream }: FleetDocument): Promise<Reading> => {
  const { state, config } = await options.jsm.streams.info(stream.name)
  const keepSeq = await keepSequence(options, stream.name, state, Date.now() - stream.keepMs)
  const consumer = await options.jsm.consumers.info(stream.name, WRITER_CONSUMER)
  const acknowledges = consumer.config.ack_policy === 'explicit'
  const facts: StreamFacts = {
    firstSeq: state.first_seq,
    lastSeq: state.last_seq,
    bytes: state.bytes,
    maxBytes: config.max_bytes,
    ackFloor: acknowledges ? consumer.ack_floor.stream_seq : 0,
    keepSeq,
  }
  return { facts, unread: consumer.num_pending + consumer.num_ack_pending }
}

export class Trimmer {
  readonly #options: TrimOptions
  readonly #rate = new FillRate()
  #consumed = 0
  #used = true
  #checkedAtMs = Number.NEGATIVE_INFINITY
  #checking = false
  #state: StreamState = { fill: 0, secondsLeft: Number.POSITIVE_INFINITY, unread: 0 }

  constructor(options: TrimOptions) {
    this.#options = options
  }

  /** As of the last check. */
  get state(): StreamState {
    return this.#state
  }

  /** Told of bytes that were acknowledged, or of an attempt (0 bytes). */
  consumed(bytes: number, document: FleetDocument): void {
    this.#consumed += bytes
    this.#used = true
    if (this.#consumed >= document.stream.maxBytes * CONSUMED_PART) void this.check(document)
  }

  /** Called about once a second. */
  tick(document: FleetDocument): void {
    const interval = this.#state.fill > 0.5 ? FULL_MS : this.#used ? BUSY_MS : IDLE_MS
    if (performance.now() - this.#checkedAtMs >= interval - 50) void this.check(document)
  }

  /** Never rejects: the next check repeats what failed. */
  async check(document: FleetDocument): Promise<void> {
    if (this.#checking) return
    this.#checking = true
    this.#consumed = 0
    this.#checkedAtMs = performance.now()
    try {
      const reading = await read(this.#options, document)
      this.#used = reading.unread > 0
      const deleted = await this.#trim(reading, document.stream.name)
      this.#note(reading, deleted)
    } catch (error) {
      this.#options.log.debug(`stream not checked: ${messageOf(error)}`)
    } finally {
      this.#checking = false
    }
  }

  async #trim({ facts }: Reading, stream: string): Promise<number> {
    const kept = firstKept(facts)
    if (kept === undefined) return 0
    const { purged } = await this.#options.jsm.streams.purge(stream, { seq: kept })
    this.#options.onTrimmed(purged)
    return facts.bytes * Math.min(1, purged / (facts.lastSeq - facts.firstSeq + 1))
  }

  #note({ facts, unread }: Reading, deletedBytes: number): void {
    const bytes = facts.bytes - deletedBytes
    const secondsLeft = this.#rate.secondsLeft({ bytes, maxBytes: facts.maxBytes, atMs: performance.now() })
    this.#state = { fill: bytes / facts.maxBytes, secondsLeft, unread }
  }
}
