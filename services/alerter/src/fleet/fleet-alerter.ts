/**
 * One fleet, as far as its shards are held here: one reader of its stream feeds them all.
 *
 * - A shard that comes is restored from its checkpoint; one that goes writes its last one. The reader then starts again from
 *   the earliest sequence that a shard wants, and each shard passes over what it has had.
 * - Steps follow each other, so nothing of a fleet happens twice at once here. One that fails is tried again.
 * - A fleet that is gone resolves what fires, and its checkpoints go.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { appliedKey, fleetKey } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { JsMsg } from '@nats-io/jetstream'
import type { KnownFleet, Labels } from './known.ts'
import type { Known } from './outside.ts'
import type { AlerterParts } from './parts.ts'
import { StreamReader } from './reader.ts'
import { restoreShard } from './restore.ts'
import type { Shard } from './shard.ts'

const RETRY = { firstMs: 200, maxMs: 5_000 } as const

export class FleetAlerter implements AsyncDisposable {
  readonly uid: string
  readonly #parts: AlerterParts
  readonly #known: () => KnownFleet
  readonly #log: Logger
  readonly #stop = new AbortController()
  readonly #shards = new Map<number, Shard>()
  #wanted: ReadonlySet<number> = new Set()
  #document: FleetDocument
  #reader: StreamReader | undefined
  #steps: Promise<void> = Promise.resolve()

  constructor(parts: AlerterParts, known: () => KnownFleet, document: FleetDocument) {
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
    for (const shard of this.#shards.values()) shard.tell((outside) => outside.setRule(rule))
  }

  removeRule(uid: string): void {
    for (const shard of this.#shards.values()) shard.tell((outside) => outside.removeRule(uid))
  }

  setDevice(device: string, labels: Labels): void {
    this.#shards.get(this.#shardOf(device))?.tell((outside) => outside.setDevice(device, labels))
  }

  removeDevice(device: string): void {
    this.#shards.get(this.#shardOf(device))?.tell((outside) => outside.removeDevice(device))
  }

  /** Holds these shards from now on, and no other. */
  hold(wanted: ReadonlySet<number>): void {
    this.#wanted = wanted
    this.#step(() => this.#settle())
  }

  /** Once a second: reports, and checkpoints that are due. */
  tick(nowMs: number): void {
    for (const [index, shard] of this.#shards) {
      this.#parts.reporter.report(appliedKey('alerter', this.#document, index), shard.report())
      shard.tick(nowMs)
    }
  }

  /** The fleet is no more: its alerts end, and so does what is known of it. */
  async gone(): Promise<void> {
    this.#step(async () => {
      this.#wanted = new Set()
      await this.#stopReading()
      for (const [index, shard] of this.#shards) {
        await shard.fleetGone(this.#stop.signal)
        this.#forget(index)
      }
    })
    await this.#steps
  }

  /** Lets go of the shards, for others to take up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.hold(new Set())
    this.#stop.abort(new Error('the process stops'))
    await this.#steps
  }

  #shardOf(device: string): number {
    return shardOf(device, this.#document.stream.telemetrySubjects.length)
  }

  #knownOf(index: number): Known {
    const { rules, devices } = this.#known()
    const ours = [...devices].filter(([device]) => this.#shardOf(device) === index)
    return { document: this.#document, rules: rules.values(), devices: ours }
  }

  #step(work: () => Promise<void>): void {
    this.#steps = this.#steps.then(() => this.#persist(work))
  }

  /** Tries until it works or the process stops. Never rejects. */
  async #persist(work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    for (let waitMs: number = RETRY.firstMs; ; waitMs = Math.min(waitMs * 2, RETRY.maxMs)) {
      try {
        return await work()
      } catch (error) {
        this.#log.warn(`tried again: ${messageOf(error)}`)
      }
      await sleep(waitMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
    }
  }

  /** Brings what is held to what is wanted. The others are read on while a shard that comes is waited for. */
  async #settle(): Promise<void> {
    const gone = [...this.#shards.keys()].filter((index) => !this.#wanted.has(index))
    const come = [...this.#wanted].filter((index) => !this.#shards.has(index))
    if (gone.length > 0) await this.#change(() => Promise.all(gone.map((index) => this.#drop(index))))
    if (come.length === 0) return
    const { checkpoints } = this.#parts
    await Promise.all(come.map((index) => checkpoints.untilLetGo(this.#document, index, this.#stop.signal)))
    await this.#change(async () => {
      for (const index of come) await this.#take(index)
    })
  }

  /** Stops reading for a change of the shards. Those that are held are read on although it fails. */
  async #change(work: () => Promise<unknown>): Promise<void> {
    await this.#stopReading()
    try {
      await work()
    } finally {
      this.#read()
    }
  }

  async #take(index: number): Promise<void> {
    const [parts, document] = [this.#parts, this.#document]
    const known = () => this.#knownOf(index)
    const shard = await restoreShard(
      { parts, document, index, known, onOvertaken: () => this.#restart(index) },
      this.#stop.signal,
    )
    this.#shards.set(index, shard)
    shard.setFleet(this.#document)
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
    this.#log.info({ shard: index }, 'another replica has gone on with the shard, it is restored from there')
    const overtaken = this.#shards.get(index)
    this.#step(async () => {
      if (overtaken && this.#shards.get(index) === overtaken) this.#shards.delete(index)
      await this.#settle()
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
      caughtUp: () => {
        for (const shard of this.#shards.values()) shard.caughtUp()
      },
      take: (message, signal) => this.#deliver(message, signal),
    })
  }

  async #deliver(message: JsMsg, signal: AbortSignal): Promise<void> {
    const { eventsSubject, telemetrySubjects } = this.#document.stream
    if (message.subject === eventsSubject) for (const shard of this.#shards.values()) await shard.take(message, signal)
    else await this.#shards.get(telemetrySubjects.indexOf(message.subject))?.take(message, signal)
  }
}

/** Key by which a shard is owned. */
export const shardKey = (fleet: { readonly namespace: string; readonly name: string }, index: number): string =>
  `${fleetKey(fleet)}#${index}`
