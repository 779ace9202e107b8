/** Everything the alerter is told about fleets, by fleet: its document, its rules and its devices. */
import { fleetKey, type Ref, ruleKey } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import type { Labels } from '@fleetloom/shared/rules/engine/ports'

export type { Labels }

export type KnownFleet = {
  document: FleetDocument | undefined
  /** By the rule's UID. */
  readonly rules: Map<string, RuleDocument>
  /** Labels of each registered device, by its id. */
  readonly devices: Map<string, Labels>
}

/** Told which fleet to look at, and what of it changed. */
export type Changes = {
  readonly onFleet: (key: string) => void
  readonly onRule: (key: string, rule: RuleDocument) => void
  readonly onRuleGone: (key: string, uid: string) => void
  readonly onDevice: (key: string, device: string, labels: Labels) => void
  readonly onDeviceGone: (key: string, device: string) => void
}

/** How long a lost document is waited for. The operator, while it runs, puts it back within seconds. */
const LOST_MS = 600_000

export class Known {
  readonly #fleets = new Map<string, KnownFleet>()
  /** What is in force under each rule's key. */
  readonly #rules = new Map<string, RuleDocument>()
  /** When the document of a rule that is in force vanished, by its key. */
  readonly #lost = new Map<string, number>()
  /** The fleet that each device was last seen in, by `<namespace>.<device>`. */
  readonly #homes = new Map<string, string>()
  readonly #changes: Changes

  constructor(changes: Changes) {
    this.#changes = changes
  }

  /** What is known of a fleet now; nothing may be. */
  of(key: string): KnownFleet {
    return this.#fleets.get(key) ?? { document: undefined, rules: new Map(), devices: new Map() }
  }

  documentOf(key: string): FleetDocument | undefined {
    return this.#fleets.get(key)?.document
  }

  keys(): Iterable<string> {
    return this.#fleets.keys()
  }

  putFleet(document: FleetDocument): void {
    const key = fleetKey(document)
    this.#get(key).document = document
    this.#changes.onFleet(key)
  }

  fleetGone(fleet: Ref): void {
    const key = fleetKey(fleet)
    this.#get(key).document = undefined
    this.#changes.onFleet(key)
    this.#forget(key)
  }

  putRule(rule: RuleDocument): void {
    const before = this.#rules.get(ruleKey(rule))
    if (before && (before.uid !== rule.uid || before.fleet !== rule.fleet)) this.#dropRule(before)
    this.#lost.delete(ruleKey(rule))
    this.#rules.set(ruleKey(rule), rule)
    const key = fleetKey({ namespace: rule.namespace, name: rule.fleet })
    this.#get(key).rules.set(rule.uid, rule)
    this.#changes.onRule(key, rule)
  }

  /** A document that vanished without having said that its rule is being removed is put back; until then it stays in force. */
  ruleGone(ref: Ref, nowMs = performance.now()): void {
    const rule = this.#rules.get(ruleKey(ref))
    if (rule?.phase === 'Removing') this.#dropRule(rule)
    else if (rule) this.#lost.set(ruleKey(ref), nowMs)
  }

  /** Called from time to time: a document that nobody puts back was that of a rule that went while nobody looked. */
  tick(nowMs: number): void {
    for (const [key, sinceMs] of this.#lost) {
      const rule = this.#rules.get(key)
      if (rule && nowMs - sinceMs >= LOST_MS) this.#dropRule(rule)
    }
  }

  #dropRule(rule: RuleDocument): void {
    this.#rules.delete(ruleKey(rule))
    this.#lost.delete(ruleKey(rule))
    const key = fleetKey({ namespace: rule.namespace, name: rule.fleet })
    this.#get(key).rules.delete(rule.uid)
    this.#changes.onRuleGone(key, rule.uid)
    this.#forget(key)
  }

  putDevice(record: DeviceRecord): void {
    const id = `${record.namespace}.${record.device}`
    const key = fleetKey({ namespace: record.namespace, name: record.fleet })
    const home = this.#homes.get(id)
    if (home !== undefined && (home !== key || record.removedAt !== undefined)) this.#leave(home, id, record.device)
    if (record.removedAt !== undefined) return
    this.#homes.set(id, key)
    this.#get(key).devices.set(record.device, record.labels)
    this.#changes.onDevice(key, record.device, record.labels)
  }

  #leave(key: string, id: string, device: string): void {
    this.#homes.delete(id)
    this.#get(key).devices.delete(device)
    this.#changes.onDeviceGone(key, device)
    this.#forget(key)
  }

  #get(key: string): KnownFleet {
    const fleet = this.of(key)
    this.#fleets.set(key, fleet)
    return fleet
  }

  /** Drops a fleet of which nothing is known any more. */
  #forget(key: string): void {
    const { document, rules, devices } = this.#get(key)
    if (document === undefined && rules.size === 0 && devices.size === 0) this.#fleets.delete(key)
  }
}
