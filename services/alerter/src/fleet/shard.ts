/**
 * One shard of a fleet: the engine, the event counters, where they stand in the stream, and their checkpoints.
 *
 * What the engine finds depends on the stream and on what it was told from outside: rules, devices, the fleet's document. A crash must
 * change neither what is found nor when, for a transition's id is made of its time.
 *
 * - A checkpoint holds what the engine was told, and what was found and no stream has yet. What is found after something was told is
 *   held until a checkpoint has that (`outgoing.ts`); the rest is published at once.
 * - A restored shard reads on with the rules and devices of its checkpoint up to where the stream was then: it finds again exactly
 *   what an earlier life had published, and the stream refuses it. Only then is it told what has changed meanwhile.
 * - Without a checkpoint it begins with the rules and devices of now and with what fires by the alert stream, which is judged only when
 *   everything that the stream still holds was read: a part of a window is no reason to end an alert.
 */
import { namesOf } from '@fleetloom/crds/names'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { CountersAnswer } from '@fleetloom/shared/events/counters/answer'
import type { AppliedState } from '@fleetloom/shared/pipeline/applied'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { messageOf } from '@fleetloom/shared/process/logger'
import { ShardEngine } from '@fleetloom/shared/rules/engine/engine'
import type { JsMsg } from '@nats-io/jetstream'
import { bytesOf, type Parcel } from '../checkpoint/parcel.ts'
import { Overtaken, type Position, type Writing } from '../checkpoint/store.ts'
import { checkpointOf } from './checkpoint-of.ts'
import { CheckpointWriter } from './checkpoint-writer.ts'
import { Counting } from './counting.ts'
import { type Fed, feed } from './feed.ts'
import { endsOf } from './leftovers.ts'
import { foundBy, letterOf } from './letters.ts'
import { Missed } from './missed.ts'
import { Outgoing } from './outgoing.ts'
import { Outside } from './outside.ts'
import { reportOf } from './report.ts'
import { RowOutcomes } from './row-outcomes.ts'
import { ownShare, QUIET_CHECKPOINT_MS, type ShardOptions, type StreamFacts } from './shard-options.ts'

export class Shard {
  readonly index: number
  readonly #options: ShardOptions
  readonly #engine: ShardEngine
  readonly #counting: Counting
  readonly #fed: Fed
  readonly #outside: Outside
  readonly #outgoing: Outgoing
  #document: FleetDocument
  /** Everything up to this sequence of the stream was taken. */
  #sequence = 0
  #streamCreated = ''
  /** Restored, and not yet where the stream was then. */
  #isBehind = false
  #until = Number.POSITIVE_INFINITY
  /** How much of what was told is in the last checkpoint. */
  #covered = -1
  #checkpointMs = performance.now()
  readonly #writer: CheckpointWriter
  /** Rows were taken since the last checkpoint. */
  #hasRows = false

  /** `revision`: of the checkpoint that the next one is written over; 0 when there is none. */
  constructor(options: ShardOptions, revision: number) {
    const { parts, document, index } = options
    const { installation, namespace, name: fleet, stream } = document
    this.index = index
    this.#options = options
    this.#document = document
    this.#writer = new CheckpointWriter(revision, {
      save: (writing) => this.#save(writing),
      onWritten: () => this.#outgoing.held > 0 && this.#writer.begin(),
      onFault: (error) => this.#notWritten(error),
    })
    const eventsTable = namesOf(installation).eventsTable(namespace)
    this.#engine = new ShardEngine(document, { ports: parts.ports, shard: index, eventsTable })
    this.#counting = new Counting({ fleet, shard: index, shards: stream.telemetrySubjects.length })
    const counted = { missed: new Missed(), outcomes: new RowOutcomes(parts.metrics) }
    this.#fed = { engine: this.#engine, counting: this.#counting, ...counted }
    this.#outside = new Outside(this.#engine, document, parts.log)
    this.#outgoing = new Outgoing({
      send: (found, signal) => parts.sender.send(letterOf(parts.names, this.#document, found), signal),
    })
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

  /** Goes on from a checkpoint of the same fleet. @throws when it can't be used; then this shard can't be either. */
  resume({ engine, counters, outgoing, ...told }: Parcel, { streamCreated, sequence }: Position): void {
    this.#outside.follow(told)
    this.#counting.decode(counters)
    if (!this.#engine.restore(engine)) throw new Error('it is of another fleet or of another version')
    this.#covered = this.#outside.changes
    this.#sequence = sequence
    this.#streamCreated = streamCreated
    this.#isBehind = true
    for (const found of outgoing) this.#outgoing.send(found)
    this.#publish()
  }

  /** Begins without a checkpoint: `firing` goes on, and is judged when all that the stream holds was read again. */
  begin(firing: readonly Transition[]): void {
    this.tell((outside) => {
      outside.follow(this.#options.known())
      for (const transition of endsOf(firing, outside)) this.#outgoing.send({ transition })
    })
    this.#isBehind = true
  }

  /** Something about the fleet, its rules or its devices has changed. */
  tell(change: (outside: Outside) => void): void {
    if (this.#isBehind) return
    change(this.#outside)
    this.#publish()
  }

  setFleet(document: FleetDocument): void {
    this.#document = document
    this.tell((outside) => outside.setFleet(document))
  }

  /** Told before the stream is read: sequences of another stream mean nothing. */
  opened({ created, first, last }: StreamFacts): void {
    const before = this.#streamCreated
    if (created !== before) {
      this.#streamCreated = created
      this.#sequence = 0
      if (before !== '') this.caughtUp()
    } else if (first > this.#sequence + 1) this.#miss(first - this.#sequence - 1)
    this.#sequence = Math.max(this.#sequence, first - 1)
    this.#until = last
    if (this.#sequence >= last) this.caughtUp()
  }

  /** Everything that the stream held was taken: from now on the shard hears what changes. */
  caughtUp(): void {
    if (!this.#isBehind) return
    this.#isBehind = false
    this.tell((outside) => {
      outside.follow(this.#options.known())
      outside.release()
    })
  }

  /** Takes a message of the shard's telemetry or of the fleet's events. `signal` ends the wait for room. */
  async take(message: JsMsg, signal: AbortSignal): Promise<void> {
    if (message.seq <= this.#sequence) return
    try {
      if (feed(this.#fed, this.#document, message)) this.#hasRows = true
    } catch (error) {
      const about = { err: error, shard: this.index, sequence: message.seq }
      this.#options.parts.log.error(about, `message passed over: ${messageOf(error)}`)
    }
    this.#sequence = message.seq
    this.#publish()
    if (this.#isBehind && this.#sequence >= this.#until) this.caughtUp()
    await this.#outgoing.room(signal).catch(() => undefined)
  }

  report(): AppliedState {
    const { document, rules, faults } = this.#outside
    const { alertmanagers } = this.#options.parts
    return reportOf(this.#engine, { ...document, rules, faults, alertmanagers, missed: this.#fed.missed.count })
  }

  /** Writes a checkpoint when one is due. */
  tick(nowMs: number): void {
    const { parts, document, index } = this.#options
    const due = this.#hasRows ? parts.checkpointMs : QUIET_CHECKPOINT_MS
    if (this.#outgoing.held > 0 || nowMs - this.#checkpointMs >= due * ownShare(document, index)) this.#writer.begin()
  }

  /** The fleet is gone: its alerts end, and the checkpoint goes. @throws what keeps it from that; it can be called again. */
  async fleetGone(signal: AbortSignal): Promise<void> {
    this.#isBehind = false
    this.#outgoing.giveUpPresence()
    const idle = this.#writer.close()
    this.tell((outside) => outside.removeFleet())
    await idle
    if (this.#writer.isOvertaken) return
    if (this.#outgoing.held > 0) await this.#writer.last()
    await this.#outgoing.sent(signal)
    await this.#options.parts.checkpoints.remove(this.#document, this.index)
  }

  /** Writes the last checkpoint, for whoever goes on with the shard. */
  async close(): Promise<void> {
    await this.#writer.close()
    if (this.#streamCreated === '' || this.#writer.isOvertaken) return
    await this.#writer.last().catch((error) => {
      const reason = `left without a last checkpoint, the one before it counts: ${messageOf(error)}`
      this.#options.parts.log.info({ shard: this.index }, reason)
    })
  }

  #miss(count: number): void {
    this.#fed.missed.note(count)
    this.#options.parts.metrics.missed(count)
  }

  /** Sends what the engine has found, or holds it for the next checkpoint. */
  #publish(): void {
    const found = foundBy(this.#engine)
    for (const one of found) if ('transition' in one) this.#options.parts.metrics.found(one.transition.to)
    if (found.length === 0) return
    const isCertain = this.#covered === this.#outside.changes && this.#outgoing.held === 0
    for (const one of found) isCertain ? this.#outgoing.send(one) : this.#outgoing.hold(one)
    if (!isCertain) this.#writer.begin()
  }

  #notWritten(error: unknown): void {
    if (this.#writer.isOvertaken) this.#options.onOvertaken()
    else this.#options.parts.log.warn({ shard: this.index }, `checkpoint not written: ${messageOf(error)}`)
  }

  /** Writes a checkpoint; returns its revision. @throws Overtaken */
  async #save(writing: Writing): Promise<number> {
    const { checkpoints, metrics } = this.#options.parts
    const [changes, held, startedMs] = [this.#outside.changes, this.#outgoing.holding(), performance.now()]
    const parts = { engine: this.#engine, counting: this.#counting, outgoing: this.#outgoing, outside: this.#outside }
    const position = { streamCreated: this.#streamCreated, sequence: this.#sequence }
    const isHurried = (): boolean => writing.isLast === true || this.#outgoing.held > 0
    this.#hasRows = false
    this.#checkpointMs = startedMs
    const next = await checkpointOf(parts, position, { ...writing, isHurried })
    const revision = await checkpoints
      .write(this.#document, this.index, next, { ...writing, isHurried })
      .catch((error) => this.#lost(error))
    this.#covered = changes
    this.#outgoing.release(changes === this.#outside.changes ? this.#outgoing.holding() : held)
    metrics.checkpointed(bytesOf(next.chunks), (performance.now() - startedMs) / 1000)
    return revision
  }

  /** What was held is another replica's to find once it has overtaken us. */
  #lost(error: unknown): never {
    this.#hasRows = true
    if (error instanceof Overtaken) this.#outgoing.giveUpHeld()
    throw error
  }
}
