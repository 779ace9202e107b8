/**
 * The reference: the same rules judged in the slow and obvious way, to hold the engine against. It keeps the whole past of each device
 * as a list, looks at every device at every mark and every change of rules, and answers each function by filtering that list. It shares
 * no code with the engine but the trees of the test language.
 */
import type { RuleDocument } from '../../../alerts/rule-document.ts'
import type { AlertCause } from '../../../alerts/transition.ts'
import type { FleetDocument } from '../../../pipeline/fleet-document.ts'
import type { Detector, Labels } from '../ports.ts'
import type { EventRow, Reading } from './builders.ts'
import { ReferenceDevice } from './reference-device.ts'
import { type Found, markOf, ruleOf, silenceAt, type World } from './reference-world.ts'

/** What happens to a shard. */
export type Step =
  | { readonly readings: readonly Reading[]; readonly storedMs: number; readonly markMs?: number }
  | { readonly events: readonly EventRow[]; readonly storedMs: number; readonly markMs?: number }
  | { readonly rule: RuleDocument }
  | { readonly ruleGone: string }
  | { readonly device: string; readonly labels: Labels }
  | { readonly deviceGone: string }
  | { readonly fleetGone: true }

export class Reference {
  readonly #world: World
  readonly #events = new Set<number>()
  #devices: readonly ReferenceDevice[] = []

  constructor(fleet: FleetDocument, detector: Detector) {
    this.#world = { fleet, detector, found: [], marks: [], rules: [], silence: 0, silenceBefore: 0, isDoubtful: false }
  }

  get found(): readonly Found[] {
    return this.#world.found
  }

  get isDoubtful(): boolean {
    return this.#world.isDoubtful
  }

  take(step: Step): void {
    if ('storedMs' in step) this.#message(step)
    else if ('rule' in step) this.#setRule(step.rule)
    else if ('ruleGone' in step) this.#removeRule(step.ruleGone, 'rule-removed')
    else if ('device' in step) this.#setDevice(step.device, step.labels)
    else if ('deviceGone' in step) this.#removeDevice(step.deviceGone)
    else for (const { uid } of this.#world.rules) this.#removeRule(uid, 'fleet-removed')
  }

  #message(step: Extract<Step, { storedMs: number }>): void {
    if (step.markMs !== undefined) this.#mark(step.markMs)
    if ('events' in step) for (const event of step.events) this.#event(event, step.storedMs)
    else for (const reading of step.readings) this.#device(reading.device)?.take(reading, step.storedMs)
  }

  #device(id: string): ReferenceDevice | undefined {
    return this.#devices.find((device) => device.id === id)
  }

  #mark(ms: number): void {
    const world = this.#world
    if (ms <= (markOf(world) ?? -1)) return
    world.marks.push(ms)
    world.silenceBefore = world.silence
    world.silence = silenceAt(world, ms)
    for (const device of this.#devices) device.mark()
  }

  #event(event: EventRow, storedMs: number): void {
    const device = this.#device(event.device)
    if (!device || this.#events.has(event.digest)) return
    this.#events.add(event.digest)
    device.take(event, storedMs)
  }

  #setRule(document: RuleDocument): void {
    if (document.suspend) {
      this.#removeRule(document.uid, 'rule-changed')
      return
    }
    const rule = ruleOf(document)
    for (const device of this.#devices) device.pass()
    this.#world.rules = [...this.#world.rules.filter(({ uid }) => uid !== rule.uid), rule]
    for (const device of this.#devices) device.apply(rule)
  }

  #removeRule(uid: string, cause: AlertCause): void {
    const rule = this.#world.rules.find((one) => one.uid === uid)
    if (!rule) return
    for (const device of this.#devices) {
      device.pass()
      device.drop(rule, cause)
    }
    this.#world.rules = this.#world.rules.filter((one) => one !== rule)
    for (const device of this.#devices) device.keepHistories()
  }

  #setDevice(id: string, labels: Labels): void {
    const known = this.#device(id)
    known?.pass()
    const device = known ?? new ReferenceDevice(id, this.#world)
    if (!known) this.#devices = [...this.#devices, device]
    device.relabel(labels)
  }

  #removeDevice(id: string): void {
    const device = this.#device(id)
    if (!device) return
    device.pass()
    for (const rule of this.#world.rules) device.drop(rule, 'device-removed')
    this.#devices = this.#devices.filter((one) => one !== device)
  }
}
