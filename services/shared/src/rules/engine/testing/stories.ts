/** Arbitrary rules, and arbitrary stories of what happens to a shard, for fast-check. */
import fc from 'fast-check'
import type { RuleDocument } from '../../../alerts/rule-document.ts'
import type { Need } from '../../need.ts'
import type { Detector, Labels } from '../ports.ts'
import { type EventRow, type Reading, ruleDocument, type Tree } from './builders.ts'
import type { Step } from './reference.ts'

const START_MS = 1_700_000_000_123
const DEVICES = ['r-1', 'r-2']
const MEASUREMENTS = ['temperature', 'humidity'] as const
const EVENTS = ['door', 'alarm', 'device_online'] as const

const measurement = fc.constantFrom(...MEASUREMENTS)
const windowMs = fc.constantFrom(1000, 7001, 60_000, 300_000)
const type = fc.constantFrom(...EVENTS)

/** Comparisons of some needs with thresholds that none of their answers meets by chance. */
const over = (need: fc.Arbitrary<unknown>, ...thresholds: readonly number[]): fc.Arbitrary<Tree> =>
  fc.record({ need: need as fc.Arbitrary<Need>, over: fc.constantFrom(...thresholds) })

const last = over(fc.record({ fn: fc.constant('last'), measurement }), 0.5123, 2.0123, 3.0123, 5.0123)
const fold = over(
  fc.record({ fn: fc.constantFrom('avg', 'min', 'max', 'stddev'), measurement, windowMs }),
  ...[-0.6123, 0.5123, 2.0123, 3.0123, 5.0123],
)
const sum = over(
  fc.record({ fn: fc.constantFrom('sum', 'count', 'rate', 'delta'), measurement, windowMs }),
  ...[-1.0123, 0.5123, 2.0123, 5.0123, 20.0123],
)
/** Thresholds more than 1 % away from the readings, but for a few. */
const percentile = over(
  fc.record({ fn: fc.constant('percentile'), measurement, windowMs, q: fc.constantFrom(0, 0.1, 0.5, 0.95, 1) }),
  ...[-0.6, 0.6, 2.1, 3.1, 5.1],
)
const anomaly = over(fc.record({ fn: fc.constant('anomaly'), measurement }), 0.1123, 0.3123, 0.6123)
const eventCount = over(fc.record({ fn: fc.constant('eventCount'), type, windowMs }), 0.5, 1.5, 4.5)
const eventAnomaly = over(fc.record({ fn: fc.constant('eventAnomaly'), type }), 0.0123, 0.2123)
const absent = fc.record({
  need: fc.record({ fn: fc.constant('absent'), measurement, windowMs }) as fc.Arbitrary<Need>,
  is: fc.boolean(),
})
const offline: fc.Arbitrary<Tree> = fc.constant({ need: { fn: 'offline' }, is: true })

const leaf: fc.Arbitrary<Tree> = fc.oneof(
  { weight: 3, arbitrary: last },
  { weight: 3, arbitrary: fold },
  { weight: 3, arbitrary: sum },
  ...[percentile, anomaly, eventCount, eventAnomaly].map((arbitrary) => ({ weight: 2, arbitrary })),
  { weight: 1, arbitrary: absent },
  { weight: 1, arbitrary: offline },
)
const tree: fc.Arbitrary<Tree> = fc.oneof(
  { weight: 4, arbitrary: leaf },
  { weight: 1, arbitrary: fc.record({ not: leaf }) },
  { weight: 1, arbitrary: fc.record({ all: fc.tuple(leaf, leaf) }) },
  { weight: 1, arbitrary: fc.record({ any: fc.tuple(leaf, leaf) }) },
)

const VACCINE: Labels = { cargo: 'vaccine' }
const labels = fc.constantFrom<Labels>(VACCINE, VACCINE, {})
const parts = {
  when: tree,
  clearWhen: fc.option(tree, { nil: undefined, freq: 2 }),
  forMs: fc.constantFrom(0, 0, 1500, 20_000),
  forReadings: fc.constantFrom(1, 1, 2, 3),
  keepFiringForMs: fc.constantFrom(0, 0, 3000, 40_000),
  selector: fc.constantFrom<Labels>({}, {}, VACCINE).map((matchLabels) => ({ matchLabels, matchExpressions: [] })),
}
const rule = fc.record(parts)
type RuleParts = typeof rule extends fc.Arbitrary<infer T> ? T : never

const documentOf = (index: number, generation: number, { clearWhen, ...rest }: RuleParts): RuleDocument =>
  ruleDocument({ uid: `rule-${index}`, generation, ...rest, ...(clearWhen && { clearWhen }) })

const lateMs = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 6, arbitrary: fc.integer({ min: -500, max: 4000 }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 15_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(-400_000, 90_000) },
)
const value = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: -4, max: 24 }).map((n) => n / 4) },
  { weight: 1, arbitrary: fc.constantFrom(2.09, 3.12, 1e-12, -40) },
)
const reading = fc.record({
  device: fc.constantFrom(...DEVICES),
  lateMs,
  values: fc.dictionary(measurement, value, { minKeys: 1, maxKeys: 2, noNullPrototype: true }),
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
    { weight: 8, arbitrary: fc.record({ readings: fc.array(reading, { minLength: 1, maxLength: 4 }) }) },
    { weight: 4, arbitrary: fc.record({ events: fc.array(event, { minLength: 1, maxLength: 3 }) }) },
    { weight: 3, arbitrary: fc.constant({ mark: true } as const) },
    { weight: 3, arbitrary: fc.record({ again: fc.array(fc.nat(), { minLength: 1, maxLength: 6 }) }) },
    { weight: 2, arbitrary: fc.record({ edit: fc.nat(), to: fc.record(parts, { requiredKeys: [] }) }) },
    { weight: 1, arbitrary: fc.record({ toggle: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ relabel: fc.nat(), labels }) },
    { weight: 1, arbitrary: fc.record({ replace: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ remove: fc.nat() }) },
  ),
  hasMark: fc.boolean(),
})
export type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never
export const happenings = fc.array(happening, { minLength: 5, maxLength: 60 })

export const setting = fc.record({
  allowedLatenessMs: fc.constantFrom(0, 0, 2000, 10_000),
  rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
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

/** A detector whose score depends on every reading, its order and its time: how far a reading is from the mean of those before. */
export const sensitive: Detector = {
  stateBytes: 24,
  create: () => new Float64Array(3),
  observe: (state, timestampMs, value) => {
    const [count = 0, mean = 0, before = 0] = state
    const score = count === 0 ? 0 : Math.min(1, Math.abs(value - mean) / 5) * (timestampMs - before > 5000 ? 0.5 : 1)
    state[0] = count + 1
    state[1] = mean + (value - mean) / (count + 1)
    state[2] = timestampMs
    return score
  },
}
