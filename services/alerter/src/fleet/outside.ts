/** What the engine of a shard is told from outside the stream: the fleet's document, rules and devices. Nothing is told twice. */

import { firingSince } from '@fleetloom/shared/alerts/records'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { AlertCause, Transition } from '@fleetloom/shared/alerts/transition'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { ShardEngine } from '@fleetloom/shared/rules/engine/engine'
import type { Labels } from '@fleetloom/shared/rules/engine/ports'
import type { Told } from '../checkpoint/parcel.ts'

type Changes = 'setFleet' | 'setRule' | 'removeRule' | 'setDevice' | 'removeDevice' | 'removeFleet'
type Engine = Pick<ShardEngine, Changes | 'adopt' | 'releaseAdopted'>

export type Known = {
  readonly document: FleetDocument
  readonly rules: Iterable<RuleDocument>
  /** Devices of this shard. */
  readonly devices: Iterable<readonly [device: string, labels: Labels]>
}

const isSame = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

export class Outside {
  readonly #engine: Engine
  readonly #log: Logger
  readonly #rules = new Map<string, RuleDocument>()
  readonly #devices = new Map<string, Labels>()
  readonly #faults = new Map<string, string>()
  #document: FleetDocument
  #changes = 0

  constructor(engine: Engine, document: FleetDocument, log: Logger) {
    this.#engine = engine
    this.#document = document
    this.#log = log
  }

  /** How often the engine was told something new. */
  get changes(): number {
    return this.#changes
  }

  get document(): FleetDocument {
    return this.#document
  }

  get rules(): Iterable<RuleDocument> {
    return this.#rules.values()
  }

  /** Why the engine could not take a rule over, by its UID. */
  get faults(): ReadonlyMap<string, string> {
    return this.#faults
  }

  told(): Told {
    return { document: this.#document, rules: [...this.#rules.values()], devices: [...this.#devices] }
  }

  /** A rule that the engine could not take over is tried once more. */
  setFleet(document: FleetDocument): void {
    if (isSame(document, this.#document)) return
    this.#document = document
    this.#tell('the fleet', () => this.#engine.setFleet(document))
    for (const uid of [...this.#faults.keys()]) {
      const rule = this.#rules.get(uid)
      if (rule) this.#setRule(rule)
    }
  }

  setRule(rule: RuleDocument): void {
    if (isSame(rule, this.#rules.get(rule.uid))) return
    this.#rules.set(rule.uid, rule)
    this.#setRule(rule)
  }

  removeRule(uid: string): void {
    if (!this.#rules.delete(uid)) return
    this.#faults.delete(uid)
    this.#tell(`rule ${uid}`, () => this.#engine.removeRule(uid))
  }

  setDevice(device: string, labels: Labels): void {
    const before = this.#devices.get(device)
    if (before && isSame(before, labels)) return
    this.#devices.set(device, labels)
    this.#tell(`device ${device}`, () => this.#engine.setDevice(device, { labels }))
  }

  removeDevice(device: string): void {
    if (!this.#devices.delete(device)) return
    this.#tell(`device ${device}`, () => this.#engine.removeDevice(device))
  }

  removeFleet(): void {
    this.#tell('the fleet', () => this.#engine.removeFleet())
  }

  /** Lets an alert go on that fires by its last transition; gives why it does not where nothing judges it any more. */
  adopt(last: Transition): AlertCause | undefined {
    const { ruleUid, device, atMicros } = last
    if (!this.#devices.has(device)) return 'device-removed'
    if ((this.#rules.get(ruleUid)?.phase ?? 'Removing') === 'Removing') return 'rule-removed'
    this.#changes++
    const alert = { sinceMicros: firingSince(last), atMicros }
    return this.#engine.adopt(ruleUid, device, alert) ? undefined : 'rule-changed'
  }

  /** What was adopted is judged from now on. */
  release(): void {
    if (this.#engine.releaseAdopted() > 0) this.#changes++
  }

  /** Tells the engine all that differs from what it was told. */
  follow({ document, rules, devices }: Known): void {
    this.setFleet(document)
    const [wantedRules, wantedDevices] = [[...rules], new Map(devices)]
    const uids = new Set(wantedRules.map(({ uid }) => uid))
    for (const uid of [...this.#rules.keys()]) if (!uids.has(uid)) this.removeRule(uid)
    for (const device of [...this.#devices.keys()]) if (!wantedDevices.has(device)) this.removeDevice(device)
    for (const [device, labels] of wantedDevices) this.setDevice(device, labels)
    for (const rule of wantedRules) this.setRule(rule)
  }

  #setRule(rule: RuleDocument): void {
    this.#faults.delete(rule.uid)
    if (rule.phase === 'Removing') return void this.#tell(`rule ${rule.name}`, () => this.#engine.removeRule(rule.uid))
    const fault = this.#tell(`rule ${rule.name}`, () => this.#engine.setRule(rule))
    if (fault !== undefined) this.#faults.set(rule.uid, fault)
  }

  /** One that throws harms no other. */
  #tell(what: string, change: () => unknown): string | undefined {
    this.#changes++
    try {
      change()
      return undefined
    } catch (error) {
      this.#log.error({ err: error }, `${what} could not be taken over: ${messageOf(error)}`)
      return messageOf(error)
    }
  }
}
