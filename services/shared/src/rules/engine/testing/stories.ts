/** Arbitrary stories of what happens to a shard, for fast-check. */
import fc from 'fast-check'
import type { Labels } from '../ports.ts'
import { anyParts, documentOf, type RuleParts, type, VACCINE, values } from './arbitrary-rules.ts'
import type { EventRow, Reading } from './builders.ts'
import type { Step } from './reference.ts'

const START_MS = 1_700_000_000_123
const DEVICES = ['r-1', 'r-2']

const lateMs = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 6, arbitrary: fc.integer({ min: -500, max: 4000 }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 15_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(-400_000, 90_000) },
)
const labels = fc.constantFrom<Labels>(VACCINE, VACCINE, {})
const reading = fc.record({
  device: fc.constantFrom(...DEVICES),
  lateMs,
  values,
  micros: fc.integer({ min: 0, max: 2 }),
})
const event = fc.record({ device: fc.constantFrom(...DEVICES), lateMs, type })

/** What comes after some time: messages, messages that come again, or a change of what is watched. */
const happening = fc.record({
  passMs: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 2000 }) },
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 12_000 }) },
    { weight: 4, arbitrary: fc.constantFrom(25_000, 45_000, 61_000) },
    { weight: 1, arbitrary: fc.constantFrom(400_000, 4_000_000) },
  ),
  what: fc.oneof(
    { weight: 24, arbitrary: fc.record({ readings: fc.array(reading, { minLength: 1, maxLength: 4 }) }) },
    { weight: 10, arbitrary: fc.record({ events: fc.array(event, { minLength: 1, maxLength: 3 }) }) },
    { weight: 6, arbitrary: fc.constant({ mark: true } as const) },
    { weight: 6, arbitrary: fc.record({ again: fc.array(fc.nat(), { minLength: 1, maxLength: 6 }) }) },
    { weight: 3, arbitrary: fc.record({ edit: fc.nat(), to: fc.record(anyParts, { requiredKeys: [] }) }) },
    { weight: 2, arbitrary: fc.record({ toggle: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ relabel: fc.nat(), labels }) },
    { weight: 2, arbitrary: fc.record({ replace: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) },
  ),
  hasMark: fc.boolean(),
})
export type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never
export const happenings = fc.array(happening, { minLength: 5, maxLength: 70, size: 'max' })

export const setting = fc.record({
  allowedLatenessMs: fc.constantFrom(0, 0, 2000, 10_000),
  rules: fc.array(fc.record(anyParts), { minLength: 1, maxLength: 4, size: 'max' }),
  /** How wrong the clock of the second device is. */
  skewMs: fc.constantFrom(0, -7000, 1000, -3_600_000),
  endsWithFleet: fc.boolean(),
})
export type Setting = {
  readonly allowedLatenessMs: number
  readonly rules: readonly RuleParts[]
  readonly skewMs: number
  readonly endsWithFleet: boolean
}

/** Makes the steps of a story, one happening after the other. */
export class Teller {
  readonly steps: Step[] = []
  readonly #skewMs: number
  readonly #rules: RuleParts[]
  /** Rules by what they are now; and who is registered. */
  readonly #states: ('set' | 'suspended' | 'gone')[]
  readonly #registered = new Set<string>(DEVICES)
  readonly #readings: Reading[] = []
  readonly #events: EventRow[] = []
  #now = START_MS
  #count = 0

  constructor({ rules, skewMs }: Setting) {
    this.#skewMs = skewMs
    this.#rules = [...rules]
    this.#states = rules.map(() => 'set')
    for (const device of DEVICES) this.steps.push({ device, labels: VACCINE })
    for (const index of rules.keys()) this.steps.push(this.#rule(index))
  }

  add({ passMs, what, hasMark }: Happening): void {
    this.#now += passMs
    const message = { storedMs: this.#now, ...(hasMark && { markMs: this.#now }) }
    if ('mark' in what) this.steps.push({ readings: [], storedMs: this.#now, markMs: this.#now })
    else if ('readings' in what)
      this.steps.push({ ...message, readings: what.readings.map((one) => this.#reading(one)) })
    else if ('events' in what) this.steps.push({ ...message, events: what.events.map((one) => this.#event(one)) })
    else if ('again' in what) this.#again(what.again)
    else this.#change(what)
  }

  /** Readings and events of before, in any order and any company. */
  #again(picks: readonly number[]): void {
    const among = <T>(all: readonly T[]): T[] =>
      all.length === 0 ? [] : picks.map((n) => all[all.length - 1 - (n % Math.min(all.length, 12))] as T)
    this.steps.push({ readings: among(this.#readings), storedMs: this.#now })
    this.steps.push({ events: among(this.#events), storedMs: this.#now })
  }

  #micros(device: string, lateMs: number): number {
    return (this.#now + (device === 'r-2' ? this.#skewMs : 0) - lateMs) * 1000
  }

  get #digest(): number {
    return (this.#count++ * 7919) % 100_003
  }

  #reading({ device, lateMs, values, micros }: Omit<Reading, 'digest'> & { readonly lateMs: number }): Reading {
    const made = { device, values, digest: this.#digest, micros: this.#micros(device, lateMs) + micros }
    this.#readings.push(made)
    return made
  }

  #event({ device, lateMs, type }: { device: string; lateMs: number; type: string }): EventRow {
    const made = { device, type, digest: this.#digest, micros: this.#micros(device, lateMs) }
    this.#events.push(made)
    return made
  }

  #change(
    what: Exclude<Happening['what'], { mark: true } | { readings: unknown } | { events: unknown } | { again: unknown }>,
  ): void {
    if ('edit' in what) this.#edit(what.edit % this.#rules.length, what.to)
    else if ('toggle' in what) this.#toggle(what.toggle % this.#rules.length)
    else if ('remove' in what) this.#remove(what.remove % this.#rules.length)
    else if ('replace' in what) this.#replace(DEVICES[what.replace % DEVICES.length] as string)
    else {
      const device = DEVICES[what.relabel % DEVICES.length] as string
      if (this.#registered.has(device)) this.steps.push({ device, labels: what.labels })
    }
  }

  #rule(index: number): Step {
    return { rule: documentOf(index, this.#count++, this.#rules[index] as RuleParts) }
  }

  #edit(index: number, to: Partial<RuleParts>): void {
    this.#rules[index] = { ...(this.#rules[index] as RuleParts), ...to }
    if (this.#states[index] === 'set') this.steps.push(this.#rule(index))
  }

  /** Suspends a rule, or brings it back. */
  #toggle(index: number): void {
    const isSet = this.#states[index] === 'set'
    this.#states[index] = isSet ? 'suspended' : 'set'
    const step = this.#rule(index)
    this.steps.push(isSet && 'rule' in step ? { rule: { ...step.rule, suspend: true } } : step)
  }

  #remove(index: number): void {
    if (this.#states[index] === 'set') this.steps.push({ ruleGone: `rule-${index}` })
    this.#states[index] = 'gone'
  }

  /** Removes a device, or registers it again. */
  #replace(device: string): void {
    const isThere = this.#registered.delete(device)
    if (!isThere) this.#registered.add(device)
    this.steps.push(isThere ? { deviceGone: device } : { device, labels: VACCINE })
  }
}

export const tell = (setting: Setting, story: readonly Happening[]): readonly Step[] => {
  const teller = new Teller(setting)
  for (const happening of story) teller.add(happening)
  return setting.endsWithFleet ? [...teller.steps, { fleetGone: true }] : teller.steps
}
