/**
 * The way of a message through this process: topic → device → row in the shard's batch. A message about which there is any
 * doubt goes to the judge, who finds its row too or the reason why it becomes a dead letter. What comes back is the
 * ticket that its PUBACK waits for. Nothing here knows of the connection that the message came on.
 */
import type { DeadLetter } from '@fleetloom/shared/dead-letters/dead-letter'
import type { ReplayOutcome } from '@fleetloom/shared/dead-letters/replay'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Tracing } from '@fleetloom/shared/process/tracing'
import { type Rejection, reject } from '@fleetloom/shared/rows/rejection'
import type { Batch } from '../batch/batch.ts'
import { DeviceHash } from '../decode/device.ts'
import { FastDecoder, rowBound } from '../decode/fast.ts'
import { judge, MOST_BYTES, type Verdict } from '../decode/judge.ts'
import { messageFrom, topicText } from '../decode/message.ts'
import { compilePlan, type Plan } from '../decode/plan.ts'
import type { Row } from '../decode/reference.ts'
import { matchTopic, type TopicPattern } from '../decode/topic.ts'
import type { Ticket } from '../mqtt/ack-window.ts'
import { emptyFrame, type Frame } from '../mqtt/frame.ts'
import { deviceText, Feedback, letterOf } from './letters.ts'
import type { Outlets } from './outlets.ts'
import { count, type Stats } from './stats.ts'
import type { Watch } from './watch.ts'

export type IntakeOptions = {
  readonly outlets: Outlets
  readonly stats: Stats
  readonly watch: Watch
  readonly tracing: Tracing
  readonly log: Logger
  /** Publishes to a device, if the connection stands. */
  readonly tell: (topic: string, payload: string) => void
}

const MAX_FORMER = 16

export class Intake {
  readonly #options: IntakeOptions
  readonly #device = new DeviceHash()
  readonly #feedback: Feedback
  #former: readonly string[] = []
  #plan: Plan
  #decoder: FastDecoder
  #nowMs = Date.now()
  #arrivalMicros = 0

  constructor(document: FleetDocument, options: IntakeOptions) {
    this.#options = options
    this.#feedback = new Feedback(options.tell)
    this.#plan = compilePlan(document)
    this.#decoder = new FastDecoder(this.#plan)
  }

  /** Messages taken from now on are judged by `document`. */
  swap(document: FleetDocument): void {
    const { telemetry } = this.#plan.document.topics
    this.#former = [...new Set([...telemetry, ...this.#former])].slice(0, MAX_FORMER)
    this.#plan = compilePlan(document, this.#former)
    this.#decoder = new FastDecoder(this.#plan)
    this.#options.outlets.swap(document)
    this.#options.watch.swap(document)
  }

  /** Says that messages which have just arrived follow. */
  arrived(nowMs: number): void {
    this.#nowMs = nowMs
    this.#options.watch.rate.tick(nowMs)
  }

  /** Takes one message; the ticket is done when what became of it is durable. */
  take(frame: Frame): Ticket {
    const { stats, log } = this.#options
    // Two messages never share an arrival, so equal ones without a timestamp stay two rows.
    this.#arrivalMicros = Math.max(this.#arrivalMicros + 1, this.#nowMs * 1000)
    frame.arrivalMicros = this.#arrivalMicros
    stats.messages++
    stats.payloadBytes += frame.payloadEnd - frame.payloadStart
    if (frame.dup) stats.redelivered++
    try {
      return this.#quick(frame)?.ticket ?? this.#judged(frame)
    } catch (error) {
      // A fault of ours must not come back with every redelivery: the message is kept, and the flow goes on.
      log.error({ err: error, topic: topicText(frame) }, 'a message could not be handled')
      return this.#setAside(frame, reject('malformed_json', '', `could not be handled: ${messageOf(error)}`))
    }
  }

  /** Takes a dead letter once more, as if it arrived when it first did. */
  async replay(letter: DeadLetter, payload: Uint8Array, dryRun: boolean): Promise<ReplayOutcome> {
    const frame = { ...emptyFrame(), ...messageFrom(letter.topic, payload, letter.arrivalMs * 1000) }
    const verdict = judge(this.#plan, frame, letter.payloadBytes)
    if (verdict.kind === 'rejected') return { outcome: 'rejected', ...verdict.rejection }
    if (dryRun) return { outcome: 'would_store' }
    this.#store(frame, verdict)
    await this.#options.outlets.drained()
    return { outcome: 'stored' }
  }

  /** The batch with the row of a message that is certainly good. */
  #quick(frame: Frame): Batch | undefined {
    if (frame.cut || frame.payloadEnd - frame.payloadStart > this.#plan.document.limits.payloadBytes) return undefined
    const pattern = this.#match(frame)
    if (pattern === undefined || !this.#device.take(frame.bytes, frame.deviceStart, frame.deviceEnd)) return undefined
    const { hash, mark } = this.#device
    if (this.#options.watch.rate.count(hash, mark)) this.#exceeded(frame, hash)
    const bound = rowBound(this.#plan, frame)
    if (bound > MOST_BYTES) return undefined
    const batch = this.#options.outlets.batcher.room(hash % this.#plan.shards, bound)
    const decoder = this.#decoder
    const end = pattern.scalar
      ? decoder.scalar(frame, batch.bytes, batch.length)
      : decoder.json(frame, batch.bytes, batch.length)
    if (end < 0) return undefined
    this.#count(frame, batch, end, decoder)
    return batch
  }

  #match(frame: Frame): TopicPattern | undefined {
    const { telemetry } = this.#plan
    for (let i = 0; i < telemetry.length; i++) {
      const pattern = telemetry[i] as TopicPattern
      if (matchTopic(pattern, frame.bytes, frame, frame)) return pattern
    }
    return undefined
  }

  #judged(frame: Frame): Ticket {
    const size = frame.cut?.payloadBytes ?? frame.payloadEnd - frame.payloadStart
    const verdict = judge(this.#plan, frame, size)
    return verdict.kind === 'rejected' ? this.#setAside(frame, verdict.rejection) : this.#store(frame, verdict)
  }

  #store(frame: Frame, verdict: Exclude<Verdict, { kind: 'rejected' }>): Ticket {
    const { outlets } = this.#options
    const { kind, row } = verdict
    const size = Buffer.byteLength(row.line)
    const batch = kind === 'event' ? outlets.events.room(0, size) : outlets.batcher.room(verdict.shard, size)
    const end = batch.length + batch.bytes.write(row.line, batch.length)
    if (kind === 'event') this.#happened(frame)
    else for (const name of row.unknown) this.#decoder.learn(name)
    this.#count(frame, batch, end, row)
    return batch.ticket
  }

  #happened(frame: Frame): void {
    this.#options.stats.events++
    const { rate } = this.#options.watch
    this.#device.take(frame.bytes, frame.deviceStart, frame.deviceEnd)
    if (rate.count(this.#device.hash, this.#device.mark)) this.#exceeded(frame, this.#device.hash)
  }

  #count(frame: Frame, batch: Batch, end: number, row: Omit<Row, 'line'>): void {
    const { stats, watch, tracing } = this.#options
    const { micros, timed, unknown } = row
    batch.add(end, micros)
    stats.rows++
    for (let i = 0; i < unknown.length; i++) {
      stats.unknownFields++
      watch.fields.add((unknown[i] as string).slice(0, 64), this.#nowMs)
    }
    if (frame.dup && !timed) watch.duplicate(this.#nowMs)
    if (tracing.sample()) this.#trace(frame, batch)
  }

  #trace(frame: Frame, batch: Batch): void {
    const { namespace, name } = this.#plan.document
    const attributes = { namespace, fleet: name, device: deviceText(frame) }
    batch.link(this.#options.tracing.span({ name: 'ingest message', startMs: this.#nowMs, attributes }))
  }

  #setAside(frame: Frame, rejection: Rejection): Ticket {
    const { outlets, stats, watch } = this.#options
    const { document } = this.#plan
    const letter = letterOf(document, frame, rejection)
    count(stats.rejected, rejection.reason)
    watch.letters.add(
      rejection.field ? `${rejection.reason} of ${rejection.field.slice(0, 64)}` : rejection.reason,
      this.#nowMs,
    )
    const { bytes, deviceStart, deviceEnd } = frame
    if (deviceStart >= 0 && this.#device.take(bytes, deviceStart, deviceEnd)) this.#feedback.send(document, letter)
    return outlets.letters.send(document, letter, frame)
  }

  #exceeded(frame: Frame, hash: number): void {
    this.#options.watch.rate.exceeded(deviceText(frame), hash, this.#nowMs)
  }
}
