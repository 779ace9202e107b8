/**
 * The loop of one fleet: stream → database.
 *
 * 1. Wait until the operator has made the durable consumer, with explicit acknowledgements.
 * 2. Collect a batch while the one before it is being written: one request of a fleet is under way at a time.
 * 3. When a batch could not be settled, everything in hand goes back to the stream; pause with backoff, then try one small batch at
 *    a time until one lands. A new document or the server's return ends the pause.
 * 4. On stop: the request under way is finished and acknowledged, the rest given back.
 */
import { appliedKey, WRITER_CONSUMER } from '@fleetloom/crds/names'
import { backoffMs } from '@fleetloom/shared/backoff'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { publishLetters } from '../flush/dead-letters.ts'
import { type Flushed, flush } from '../flush/flush.ts'
import type { FleetMetrics } from '../metrics.ts'
import { type Collected, Collector } from '../stream/collector.ts'
import { WORKING_MS } from '../stream/delivered.ts'
import { Puller } from '../stream/puller.ts'
import { Trimmer } from '../trim/trimmer.ts'
import { Health } from './health.ts'
import type { WriterParts } from './parts.ts'
import { Pause } from './pause.ts'

export class FleetWriter implements AsyncDisposable {
  readonly #parts: WriterParts
  readonly #log: Logger
  readonly #metrics: FleetMetrics
  readonly #puller: Puller
  readonly #collector: Collector
  readonly #trimmer: Trimmer
  readonly #health = new Health()
  readonly #pause = new Pause()
  readonly #done: Promise<void>
  #document: FleetDocument
  #bound = false
  #failures = 0
  #landedMs: number | undefined
  #deliverySeq = Number.POSITIVE_INFINITY
  #stopping = false

  constructor(parts: WriterParts, document: FleetDocument) {
    const { nats, memory } = parts
    this.#parts = parts
    this.#document = document
    this.#log = parts.log.child({ fleet: `${document.namespace}/${document.name}` })
    this.#metrics = parts.metrics.fleet(document)
    this.#puller = new Puller(nats.connection, document.stream.name, WRITER_CONSUMER)
    this.#collector = new Collector(this.#puller, memory)
    this.#trimmer = new Trimmer({ jsm: nats.jsm, log: this.#log, onTrimmed: this.#metrics.trimmed })
    this.#done = this.#run()
  }

  get uid(): string {
    return this.#document.uid
  }

  update(document: FleetDocument): void {
    this.#document = document
    this.#pause.end()
    this.#report()
  }

  /** NATS is back: what was asked of it before is forgotten. */
  reconnected(): void {
    this.#puller.interrupt()
    this.#pause.end()
  }

  /** Called each second. */
  tick(): void {
    if (!this.#bound) return
    this.#trimmer.tick(this.#document)
    const state = this.#trimmer.state
    const lagMs = state.unread === 0 || this.#landedMs === undefined ? 0 : Date.now() - this.#landedMs
    this.#metrics.stream({ ...state, lagSeconds: lagMs / 1000 })
    this.#report()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    this.#parts.reporter.clear(appliedKey('writer', this.#document))
    this.#puller.stop()
    this.#pause.close()
    await this.#done
    for (const message of await this.#puller.close()) message.nak()
    this.#metrics.remove()
  }

  async #run(): Promise<void> {
    let underWay: Promise<void> = Promise.resolve()
    while (!this.#stopping) {
      const failures = this.#failures
      if (failures > 0) await this.#pause.begin(backoffMs(failures))
      const collected = await this.#collect()
      await underWay
      if (this.#stopping || this.#failures > failures) this.#giveBack(collected)
      else underWay = this.#write(collected)
      if (this.#failures > 0) await underWay
    }
    await underWay
  }

  async #collect(): Promise<Collected> {
    if (!this.#bound && !(await this.#bind())) return { messages: [], end: 'absent' }
    const collected = await this.#collector.collect(this.#document, this.#failures > 0)
    if (collected.end === 'expired' && collected.messages.length === 0) this.#calm()
    if (collected.end === 'absent') this.#unbind()
    if (collected.end === 'absent' || collected.end === 'lost') await this.#pause.begin(backoffMs(1))
    return collected
  }

  async #bind(): Promise<boolean> {
    const { stream } = this.#document
    try {
      const { config } = await this.#parts.nats.jsm.consumers.info(stream.name, WRITER_CONSUMER)
      if (config.ack_policy !== 'explicit') throw new Error(`it acknowledges ${config.ack_policy}, not explicit`)
      this.#bound = true
      this.#calm()
      this.#report()
      return true
    } catch (error) {
      this.#fail(`waiting for the operator to make consumer ${WRITER_CONSUMER} of ${stream.name}: ${messageOf(error)}`)
      return false
    }
  }

  #unbind(): void {
    this.#bound = false
    this.#log.warn('the consumer is gone')
  }

  /** Never rejects. */
  async #write(collected: Collected): Promise<void> {
    using _ = collected.lease
    const { messages } = collected
    if (messages.length === 0) return
    this.#landedMs ??= messages[0]?.storedMs
    if (this.#startsOver(messages)) this.#parts.renew()
    const working = setInterval(() => {
      for (const message of messages) message.working()
    }, WORKING_MS)
    const startMs = Date.now()
    const flushed = await flush(messages, this.#document, this.#tools())
    clearInterval(working)
    this.#note(collected, flushed, startMs)
  }

  /** Whether the consumer is new to us: the operator makes it anew with the table. */
  #startsOver(messages: Collected['messages']): boolean {
    let startsOver = false
    for (const { deliverySeq } of messages) {
      startsOver ||= deliverySeq <= this.#deliverySeq
      this.#deliverySeq = deliverySeq
    }
    return startsOver
  }

  #tools(): Parameters<typeof flush>[2] {
    const { nats, currentUid, write } = this.#parts
    const document = this.#document
    return {
      write,
      setAside: (letters) => publishLetters(nats.js, document, letters),
      currentUid: () => currentUid(document),
    }
  }

  #note({ messages }: Collected, flushed: Flushed, startMs: number): void {
    const { rows, bytes, rejected, foreign, unsettled } = flushed
    this.#collector.learn(rows, bytes)
    this.#trimmer.consumed(bytes, this.#document)
    if (rows > 0) this.#metrics.landed(rows, bytes)
    if (rejected.length > 0) this.#refused('database_rejected', rejected.length, rejected[0]?.fault.detail ?? '')
    if (foreign > 0) this.#refused('foreign_fleet', foreign, 'batches made for another fleet of the same name')
    if (unsettled === undefined) this.#settled(messages, flushed, startMs)
    else this.#retry(unsettled)
  }

  #retry(reason: string): void {
    this.#metrics.retried()
    this.#fail(reason)
  }

  #settled(messages: Collected['messages'], flushed: Flushed, startMs: number): void {
    if (this.#failures > 0) this.#log.info('the database takes readings again')
    this.#calm()
    this.#landedMs = messages.at(-1)?.storedMs
    this.#trace(flushed, startMs)
  }

  #refused(reason: 'database_rejected' | 'foreign_fleet', count: number, detail: string): void {
    this.#metrics.rejected(reason, count)
    this.#health.refused(count, detail)
    this.#log.warn({ reason, count }, `set aside: ${detail}`)
  }

  #calm(): void {
    this.#failures = 0
    this.#health.settled()
  }

  #fail(reason: string): void {
    this.#failures++
    this.#health.failing(reason)
    const level = this.#failures === 1 ? 'warn' : 'debug'
    this.#log[level]({ failures: this.#failures }, `readings wait: ${reason}`)
  }

  #trace({ rows, bytes, links }: Flushed, startMs: number): void {
    if (links.length === 0) return
    this.#parts.tracing.span({
      name: 'writer flush',
      startMs,
      links,
      attributes: { rows, bytes, table: this.#document.table },
    })
  }

  #giveBack({ messages, lease }: Collected): void {
    for (const message of messages) message.nak()
    lease?.[Symbol.dispose]()
  }

  #report(): void {
    if (!this.#bound || this.#stopping) return
    const { uid, generation } = this.#document
    const observed = this.#health.observed(this.#trimmer.state)
    this.#parts.reporter.report(appliedKey('writer', this.#document), { uid, generation, state: 'Following', observed })
  }
}
