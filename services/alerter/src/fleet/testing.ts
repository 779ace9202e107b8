/**
 * A shard in a world of one stream, for tests: it can be crashed at any moment, after which a new one is restored from the last
 * checkpoint while nothing that the dead one still does counts.
 */
import { namesOf } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import { ruleDocumentOf } from '@fleetloom/shared/alerts/testing'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { batchHeaders } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { fleetDocumentOf } from '@fleetloom/shared/pipeline/testing'
import { createLogger } from '@fleetloom/shared/process/logger'
import type { Labels } from '@fleetloom/shared/rules/engine/ports'
import { enginePorts } from '@fleetloom/shared/rules/ports'
import type { JsMsg } from '@nats-io/jetstream'
import { type Checkpoint, Overtaken, type Writing } from '../checkpoint/store.ts'
import type { RowOutcome } from '../metrics.ts'
import { restoreShard } from './restore.ts'
import type { Letter } from './sender.ts'
import type { Shard } from './shard.ts'

export const names = namesOf()

const FLEET = { namespace: 'cold', name: 'reefers' }

export const fleetDocument = (changes: Partial<FleetDocument> = {}): FleetDocument =>
  fleetDocumentOf(FLEET, { uid: 'fleet-1', shards: 1, offlineAfterMs: 10_000, ...changes })

export const ruleDocument = (changes: Partial<RuleDocument> = {}): RuleDocument =>
  ruleDocumentOf(FLEET, { name: 'hot', uid: 'rule-1', ...changes })

const T0_MS = 1_700_000_000_000

type Reading = { readonly device: string; readonly temperature: number }

/** A message of the stream with one reading, or none, and the mark of its time; each is 100 ms after the one before it. */
const messageOf = (seq: number, reading: Reading | undefined, pending: number): JsMsg => {
  const ms = T0_MS + seq * 100
  const { uid, generation, table } = fleetDocument()
  const row =
    reading && `${table},device=${reading.device} temperature=${reading.temperature},digest=${seq}i ${ms}000000\n`
  const micros = ms * 1000
  const info = { rows: reading ? 1 : 0, firstMicros: micros, lastMicros: micros, traceLinks: [], progressMs: ms }
  return {
    ...{ seq, subject: 't.0', data: Buffer.from(row ?? ''), headers: batchHeaders({ ...info, uid, generation }) },
    info: { timestampNanos: ms * 1e6, pending },
  } as unknown as JsMsg
}

/** Lets everything go on that waits for nothing but its turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class World {
  /** What the alert stream took, by id. */
  readonly recorded = new Map<string, Transition>()
  readonly presence: string[] = []
  /** What became of the rows that were read: `late 1`. */
  readonly rows: string[] = []
  readonly rules = new Map<string, RuleDocument>()
  readonly devices = new Map<string, Labels>()
  document = fleetDocument()
  overtaken = 0
  /** Writing a checkpoint waits for this. */
  write: () => Promise<void> = turn
  readonly #stream: (Reading | undefined)[] = []
  #first = 1
  #stored: { readonly checkpoint: Checkpoint; readonly revision: number } | undefined
  #revision = 0
  #life = 0
  #shard: Shard | undefined

  get shard(): Shard {
    if (!this.#shard) throw new Error('there is no shard')
    return this.#shard
  }

  get checkpoint(): Checkpoint | undefined {
    return this.#stored?.checkpoint
  }

  /** Another replica has written a checkpoint. */
  overtake(): void {
    if (this.#stored) this.#stored = { ...this.#stored, revision: ++this.#revision }
  }

  /** Starts a shard from the last checkpoint; whatever ran before it is dead. */
  async start(): Promise<void> {
    const life = ++this.#life
    this.#shard = await restoreShard(
      {
        ...{ parts: this.#parts(life), document: this.document, index: 0 },
        known: () => ({ document: this.document, rules: this.rules.values(), devices: this.devices }),
        onOvertaken: () => void this.overtaken++,
      },
      new AbortController().signal,
    )
    this.#shard.opened({ created: 'then', first: this.#first, last: this.#stream.length })
    while (this.shard.sequence < this.#stream.length) await this.#take(this.shard.sequence + 1)
  }

  /** A message comes: a reading, or a mark alone. */
  async message(reading?: Reading): Promise<void> {
    this.#stream.push(reading)
    await this.#take(this.#stream.length)
  }

  setRule(rule: RuleDocument): void {
    this.rules.set(rule.uid, rule)
    this.shard.tell((outside) => outside.setRule(rule))
  }

  removeRule(uid: string): void {
    this.rules.delete(uid)
    this.shard.tell((outside) => outside.removeRule(uid))
  }

  setDevice(device: string, labels: Labels = {}): void {
    this.devices.set(device, labels)
    this.shard.tell((outside) => outside.setDevice(device, labels))
  }

  removeDevice(device: string): void {
    this.devices.delete(device)
    this.shard.tell((outside) => outside.removeDevice(device))
  }

  /** The last transition of everything that fires by the alert stream. */
  firing(): Transition[] {
    const last = new Map<string, Transition>()
    for (const one of this.recorded.values()) {
      const key = `${one.ruleUid} ${one.device}`
      if ((last.get(key)?.atMicros ?? 0) < one.atMicros) last.set(key, one)
    }
    return [...last.values()].filter(({ to }) => to === 'firing')
  }

  /** Loses the checkpoint, and the messages of the stream before `first`: by default all that there are. */
  forget(first = this.#stream.length + 1): void {
    if (this.#stored) this.#stored = { ...this.#stored, checkpoint: { ...this.#stored.checkpoint, chunks: [] } }
    this.#first = first
  }

  /** Waits until nothing is under way any more. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await turn()
  }

  async #take(seq: number): Promise<void> {
    const message = messageOf(seq, this.#stream[seq - 1], this.#stream.length - seq)
    await this.shard.take(message, new AbortController().signal)
    if (seq === this.#stream.length) this.shard.caughtUp()
  }

  #parts(life: number) {
    const isDead = () => life !== this.#life
    const never = new Promise<never>(() => undefined)
    return {
      ...{ names, ports: enginePorts, log: createLogger('test', 'silent'), checkpointMs: 1_000, alertmanagers: 0 },
      nats: {} as never,
      stillFiring: async (_: unknown, isWanted: (device: string) => boolean) =>
        this.firing().filter(({ device }) => isWanted(device)),
      reporter: { report: () => undefined, clear: () => undefined, [Symbol.asyncDispose]: async () => undefined },
      metrics: {
        read: (outcome: RowOutcome, count: number) => this.rows.push(`${outcome} ${count}`),
        ...{ found: () => undefined, missed: () => undefined, checkpointed: () => undefined },
      },
      sender: {
        send: async (letter: Letter) => {
          await turn()
          return isDead() ? never : this.#record(letter)
        },
      },
      checkpoints: {
        take: async () => (this.#stored ? { ...this.#stored } : { revision: 0 }),
        list: async () => [],
        untilLetGo: async () => undefined,
        remove: async () => {
          this.#stored = undefined
        },
        write: async (_fleet: unknown, _shard: number, checkpoint: Checkpoint, { before }: Writing) => {
          await this.write()
          if (isDead()) return never
          if (before !== (this.#stored?.revision ?? 0)) throw new Overtaken('overtaken')
          this.#stored = { checkpoint, revision: ++this.#revision }
          return this.#revision
        },
      },
    }
  }

  #record({ subject, body }: Letter): boolean {
    if (subject === 'e') return this.presence.push(body) > 0
    const one = JSON.parse(body) as Transition
    const isNew = !this.recorded.has(one.id)
    if (isNew) this.recorded.set(one.id, one)
    return isNew
  }
}

/** What became of one alert: `firing`, `resolved by condition`, in the order of time. */
export const storyOf = ({ recorded }: World, ruleUid: string, device: string): string[] =>
  [...recorded.values()]
    .filter((one) => one.ruleUid === ruleUid && one.device === device && one.to !== 'pending' && one.to !== 'inactive')
    .sort((a, b) => a.atMicros - b.atMicros)
    .map(({ to, cause }) => (to === 'firing' ? to : `${to} by ${cause}`))
