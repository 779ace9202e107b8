/**
 * One fleet, as far as its shards are held here: one reader of its stream feeds them all.
 *
 * - A shard that comes is restored from its checkpoint; one that goes writes its last one. The reader then starts again from
 *   the earliest sequence that a shard wants, and each shard passes over what it has had.
 * - Steps follow each other, so nothing of a fleet happens twice at once here.
 * - A fleet that is gone resolves what fires, and its checkpoints go.
 */
import { appliedKey, fleetKey } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { JsMsg } from '@nats-io/jetstream'
import type { KnownFleet, Labels } from './known.ts'
import type { AlerterParts } from './parts.ts'
import { StreamReader } from './reader.ts'
import { Shard } from './shard.ts'

export class FleetAlerter implements AsyncDisposable {
  readonly uid: string
  readonly #parts: AlerterParts
  readonly #known: KnownFleet
  readonly #log: Logger
  readonly #shards = new Map<number, Shard>()
  #document: FleetDocument
  #reader: StreamReader | undefined
  #steps: Promise<void> = Promise.resolve()

  constructor(parts: AlerterParts, known: KnownFleet, document: FleetDocument) {
    this.#parts = parts
    this.#known = known
    this.#document = document
    this.uid = document.uid
    this.#log = parts.log.child({ fleet: `${document.namespace}/${document.name}` })
  }

  get document(): FleetDocument {
    return this.#document
  }

  shards(): Iterable<Shard> {
    return this.#shards.values()
  }

  update(document: FleetDocument): void {
    if (document === this.#document) return
    this.#document = document
    for (const shard of this.#shards.values()) shard.setFleet(document)
  }

  setRule(rule: RuleDocument): void {
    for (const shard of this.#shards.values()) shard.setRule(rule)
  }

  removeRule(uid: string): void {
    for (const shard of this.#shards.values()) shard.removeRule(uid)
  }

  setDevice(device: string, labels: Labels): void {
    this.#shardOf(device)?.setDevice(device, labels)
  }

  removeDevice(device: string): void {
    this.#shardOf(device)?.removeDevice(device)
  }

  /** Holds these shards from now on, and no other. */
  hold(wanted: ReadonlySet<number>): void {
    this.#step(async () => {
      const gone = [...this.#shards.keys()].filter((index) => !wanted.has(index))
      const come = [...wanted].filter((index) => !this.#shards.has(index))
      if (gone.length + come.length === 0) return
      await this.#stopReading()
      for (const index of gone) await this.#drop(index)
      for (const index of come) await this.#take(index)
      this.#read()
    })
  }

  /** Once a second: reports, and checkpoints that are due. */
  tick(nowMs: number): void {
    for (const [index, shard] of this.#shards) {
      this.#parts.reporter.report(appliedKey('alerter', this.#document, index), shard.report())
      shard.tick(nowMs, () => this.#restart(index))
    }
  }

  /** The fleet is no more: its alerts end, and so does what is known of it. */
  async gone(): Promise<void> {
    this.#step(async () => {
      await this.#stopReading()
      for (const [index, shard] of this.#shards) {
        await shard.fleetGone()
        await this.#parts.checkpoints.remove(this.#document, index)
        this.#forget(index)
      }
    })
    await this.#steps
  }

  /** Lets go of the shards, for others to take up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.hold(new Set())
    await this.#steps
  }

  #shardOf(device: string): Shard | undefined {
    return this.#shards.get(shardOf(device, this.#document.stream.telemetrySubjects.length))
  }

  #step(work: () => Promise<void>): void {
    this.#steps = this.#steps.then(work).catch((error) => this.#log.error({ err: error }, messageOf(error)))
  }

  async #take(index: number): Promise<void> {
    this.#shards.set(index, await Shard.restore({ parts: this.#parts, document: this.#document, index }, this.#known))
  }

  async #drop(index: number): Promise<void> {
    await this.#shards.get(index)?.close()
    this.#forget(index)
  }

  #forget(index: number): void {
    this.#shards.delete(index)
    this.#parts.reporter.clear(appliedKey('alerter', this.#document, index))
  }

  /** Another replica went on with a shard that we hold: what we know of it is old. */
  #restart(index: number): void {
    this.#step(async () => {
      if (!this.#shards.has(index)) return
      await this.#stopReading()
      await this.#take(index)
      this.#read()
    })
  }

  async #stopReading(): Promise<void> {
    await this.#reader?.[Symbol.asyncDispose]()
    this.#reader = undefined
  }

  #read(): void {
    if (this.#shards.size === 0) return
    const { stream } = this.#document
    this.#reader = new StreamReader({
      nats: this.#parts.nats,
      stream: stream.name,
      log: this.#log,
      open: (found) => {
        for (const shard of this.#shards.values()) shard.opened(found)
        const subjects = [...this.#shards.keys()].map((index) => stream.telemetrySubjects[index] as string)
        const from = Math.min(...[...this.#shards.values()].map(({ sequence }) => sequence)) + 1
        return { subjects: [...subjects, stream.eventsSubject], from }
      },
      take: (message) => this.#deliver(message),
    })
  }

  async #deliver(message: JsMsg): Promise<void> {
    const { eventsSubject, telemetrySubjects } = this.#document.stream
    if (message.subject === eventsSubject) {
      for (const shard of this.#shards.values()) await shard.takeEvents(message)
    } else await this.#shards.get(telemetrySubjects.indexOf(message.subject))?.takeReadings(message)
  }
}

/** Key by which a shard is owned. */
export const shardKey = (document: FleetDocument, index: number): string => `${fleetKey(document)}#${index}`
