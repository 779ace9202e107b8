/**
 * One shard of a fleet: the engine, the event counters, where they stand in the stream, and their checkpoints.
 *
 * What the engine finds (transitions, devices that went offline or came back) is in a stream before a checkpoint that covers it is
 * written. So after a crash the shard goes on from the checkpoint, finds the same again, and the stream refuses what it has.
 */
import { namesOf } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { CountersAnswer } from '@fleetloom/shared/events/counters/answer'
import type { AppliedState } from '@fleetloom/shared/pipeline/applied'
import { type BatchInfo, batchInfo } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { messageOf } from '@fleetloom/shared/process/logger'
import { type Message, ShardEngine } from '@fleetloom/shared/rules/engine/engine'
import type { JsMsg } from '@nats-io/jetstream'
import { pack, unpack } from '../checkpoint/parcel.ts'
import { type Checkpoint, Overtaken } from '../checkpoint/store.ts'
import { Counting } from './counting.ts'
import type { KnownFleet, Labels } from './known.ts'
import { presenceLetter, transitionLetter } from './letters.ts'
import { Outstanding } from './outstanding.ts'
import type { AlerterParts } from './parts.ts'
import { reportOf } from './report.ts'
import type { Letter } from './sender.ts'

/** A shard that takes marks only changes little: its checkpoint may be this old. */
const QUIET_CHECKPOINT_MS = 300_000

export type StreamFacts = { readonly created: string; readonly first: number; readonly last: number }

export type ShardOptions = { readonly parts: AlerterParts; readonly document: FleetDocument; readonly index: number }

export class Shard {
  readonly index: number
  readonly #parts: AlerterParts
  readonly #engine: ShardEngine
  readonly #counting: Counting
  readonly #outstanding = new Outstanding()
  /** Why a rule can't be judged, by its UID. */
  readonly #faults = new Map<string, string>()
  #document: FleetDocument
  /** Everything up to this sequence of the stream was taken. */
  #sequence = 0
  #streamCreated = ''
  #revision = 0
  #checkpointMs = performance.now()
  #writing: Promise<void> | undefined
  /** Rows were taken since the last checkpoint. */
  #hasRows = false
  /** Messages that the stream gave up before they were read. */
  #missed = 0

  constructor({ parts, document, index }: ShardOptions) {
    const { installation, namespace, name: fleet, stream } = document
    const shards = stream.telemetrySubjects.length
    this.index = index
    this.#parts = parts
    this.#document = document
    const eventsTable = namesOf(installation).eventsTable(namespace)
    this.#engine = new ShardEngine(document, { ports: parts.ports, shard: index, eventsTable })
    this.#counting = new Counting({ fleet, shard: index, shards })
  }

  /** The shard as its last checkpoint left it, with what is known of its fleet now. */
  static async restore(options: ShardOptions, known: KnownFleet): Promise<Shard> {
    const { parts, document, index } = options
    const checkpoint = await parts.checkpoints.read(document, index)
    const shard = new Shard(options)
    shard.#know(known)
    if (checkpoint) shard.#resume(checkpoint, known)
    return shard
  }

  get sequence(): number {
    return this.#sequence
  }

  get counters(): CountersAnswer {
    return this.#counting.answer()
  }

  /** Devices online, and of those asked for whether they are and when they were last heard of. */
  get engine(): Pick<ShardEngine, 'online' | 'known' | 'lastSeenMs' | 'isOnline'> {
    return this.#engine
  }

  setFleet(document: FleetDocument): void {
    this.#document = document
    this.#engine.setFleet(document)
    this.#publish()
  }

  setRule(rule: RuleDocument): void {
    const fault = this.#engine.setRule(rule)
    if (fault === undefined) this.#faults.delete(rule.uid)
    else this.#faults.set(rule.uid, fault)
    this.#publish()
  }

  removeRule(uid: string): void {
    this.#engine.removeRule(uid)
    this.#faults.delete(uid)
    this.#publish()
  }

  setDevice(device: string, labels: Labels): void {
    this.#engine.setDevice(device, { labels })
    this.#publish()
  }

  removeDevice(device: string): void {
    this.#engine.removeDevice(device)
    this.#publish()
  }

  /** Told before the stream is read: sequences of another stream mean nothing. */
  opened({ created, first }: StreamFacts): void {
    if (created !== this.#streamCreated) {
      this.#streamCreated = created
      this.#sequence = 0
    } else if (first > this.#sequence + 1) this.#missed += first - this.#sequence - 1
    this.#sequence = Math.max(this.#sequence, first - 1)
  }

  async takeReadings(message: JsMsg): Promise<void> {
    await this.#take(message, (one) => {
      this.#engine.take(one)
      if (one.progress) this.#counting.advance(one.progress.ms)
    })
  }

  async takeEvents(message: JsMsg): Promise<void> {
    await this.#take(message, (one) => {
      this.#engine.takeEvents(one)
      this.#counting.take(one)
    })
  }

  report(): AppliedState {
    const { uid, generation } = this.#document
    return reportOf(this.#engine, { uid, generation, faults: this.#faults, missed: this.#missed })
  }

  /** Writes a checkpoint when one is due. `onOvertaken`: another replica has gone on with this shard. */
  tick(nowMs: number, onOvertaken: () => void): void {
    const due = this.#hasRows ? this.#parts.checkpointMs : QUIET_CHECKPOINT_MS
    if (this.#writing || this.#streamCreated === '' || nowMs - this.#checkpointMs < due) return
    this.#writing = this.#checkpoint()
      .catch((error) => {
        if (error instanceof Overtaken) onOvertaken()
        else this.#parts.log.warn({ shard: this.index }, `checkpoint not written: ${messageOf(error)}`)
      })
      .finally(() => {
        this.#writing = undefined
      })
  }

  /** The fleet is gone: its alerts end. */
  async fleetGone(): Promise<void> {
    this.#engine.removeFleet()
    this.#publish()
    await this.#writing
    await this.#outstanding.settled()
  }

  /** Writes the last checkpoint, for whoever goes on with the shard. */
  async close(): Promise<void> {
    await this.#writing
    if (this.#streamCreated === '') return
    await this.#checkpoint().catch((error) => {
      const { log } = this.#parts
      log.info({ shard: this.index }, `left without a last checkpoint, the one before it counts: ${messageOf(error)}`)
    })
  }

  async #take(message: JsMsg, take: (one: Message) => void): Promise<void> {
    if (message.seq <= this.#sequence) return
    const info = batchInfo(message.headers)
    if (info?.uid === this.#document.uid) {
      take(messageOfBatch(message, info))
      this.#hasRows ||= info.rows > 0
      this.#publish()
    }
    this.#sequence = message.seq
    await this.#parts.sender.room()
  }

  #know({ rules, devices }: KnownFleet): void {
    const shards = this.#document.stream.telemetrySubjects.length
    for (const [device, labels] of devices)
      if (shardOf(device, shards) === this.index) this.#engine.setDevice(device, { labels })
    for (const rule of rules.values()) this.setRule(rule)
  }

  #resume({ chunks, sequence, streamCreated, revision }: Checkpoint, known: KnownFleet): void {
    this.#revision = revision
    try {
      const { engine, counters } = unpack(chunks)
      this.#counting.decode(counters)
      if (!this.#engine.restore(engine)) throw new Error('it is of another fleet or of another version')
      this.#sequence = sequence
      this.#streamCreated = streamCreated
      // Alerts of rules that changed while nobody held the shard are judged anew.
      for (const rule of known.rules.values()) this.setRule(rule)
    } catch (error) {
      const { log } = this.#parts
      log.warn({ shard: this.index }, `the checkpoint is not used, the stream is read again: ${messageOf(error)}`)
    }
    this.#publish()
  }

  /** Sends what the engine has found. */
  #publish(): void {
    const { names, metrics } = this.#parts
    for (const one of this.#engine.drain()) {
      metrics.found(one.to)
      this.#send(transitionLetter(names, one))
    }
    for (const change of this.#engine.drainPresence()) this.#send(presenceLetter(this.#document, change))
  }

  #send(letter: Letter): void {
    this.#outstanding.add(this.#parts.sender.send(letter))
  }

  async #checkpoint(): Promise<void> {
    const { checkpoints, metrics } = this.#parts
    const [streamCreated, sequence, startedMs] = [this.#streamCreated, this.#sequence, performance.now()]
    const chunks = pack({ engine: this.#engine.snapshot(), counters: this.#counting.encode() })
    this.#hasRows = false
    this.#checkpointMs = startedMs
    await this.#outstanding.settled()
    const next = { streamCreated, sequence, chunks }
    this.#revision = await checkpoints.write(this.#document, this.index, next, this.#revision)
    metrics.checkpointed(
      chunks.reduce((sum, { length }) => sum + length, 0),
      (performance.now() - startedMs) / 1000,
    )
  }
}

const messageOfBatch = (message: JsMsg, { progressMs, session = 0 }: BatchInfo): Message => ({
  body: message.data,
  storedMs: Math.floor(message.info.timestampNanos / 1e6),
  ...(progressMs !== undefined && { progress: { session, ms: progressMs } }),
})
