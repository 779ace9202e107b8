/** Arbitrary rules for fast-check, and a detector of anomalies that forgives nothing. */
import fc from 'fast-check'
import type { RuleDocument, Selector } from '../../../alerts/rule-document.ts'
import type { Need } from '../../need.ts'
import type { Detector, Labels } from '../ports.ts'
import { ruleDocument, type Tree } from './builders.ts'

const MEASUREMENTS = ['temperature', 'humidity'] as const
const EVENTS = ['door', 'alarm', 'device_online'] as const
/** What rules may select. */
export const VACCINE: Labels = { cargo: 'vaccine' }

export const measurement = fc.constantFrom(...MEASUREMENTS)
const windowMs = fc.constantFrom(1000, 7001, 60_000, 300_000)
export const type = fc.constantFrom(...EVENTS)

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

const ofReadings: readonly fc.WeightedArbitrary<Tree>[] = [
  { weight: 3, arbitrary: last },
  { weight: 3, arbitrary: fold },
  { weight: 3, arbitrary: sum },
  { weight: 2, arbitrary: percentile },
  { weight: 2, arbitrary: anomaly },
]
const ofAnything: readonly fc.WeightedArbitrary<Tree>[] = [
  ...ofReadings,
  { weight: 2, arbitrary: eventCount },
  { weight: 2, arbitrary: eventAnomaly },
  { weight: 1, arbitrary: absent },
  { weight: 1, arbitrary: offline },
]

const treeOf = (leaves: readonly fc.WeightedArbitrary<Tree>[]): fc.Arbitrary<Tree> => {
  const leaf = fc.oneof(...leaves)
  return fc.oneof(
    { weight: 8, arbitrary: leaf },
    { weight: 3, arbitrary: fc.record({ not: leaf }) },
    { weight: 1, arbitrary: fc.record({ all: fc.tuple(leaf, leaf) }) },
    { weight: 2, arbitrary: fc.record({ any: fc.tuple(leaf, leaf) }) },
  )
}

export type RuleParts = {
  readonly when: Tree
  readonly clearWhen: Tree | undefined
  readonly forMs: number
  readonly forReadings: number
  readonly keepFiringForMs: number
  readonly selector: Selector
}

const partsOf = (tree: fc.Arbitrary<Tree>) => ({
  when: tree,
  clearWhen: fc.option(tree, { nil: undefined, freq: 2 }),
  forMs: fc.constantFrom(0, 0, 1500, 20_000),
  forReadings: fc.constantFrom(1, 1, 2, 3),
  keepFiringForMs: fc.constantFrom(0, 0, 3000, 40_000),
  selector: fc.constantFrom<Labels>({}, {}, VACCINE).map((matchLabels) => ({ matchLabels, matchExpressions: [] })),
})
/** Parts of rules about anything, and those of rules about readings alone. */
export const anyParts = partsOf(treeOf(ofAnything))
export const readingParts = partsOf(treeOf(ofReadings))

export const documentOf = (index: number, generation: number, { clearWhen, ...rest }: RuleParts): RuleDocument =>
  ruleDocument({ uid: `rule-${index}`, generation, ...rest, ...(clearWhen && { clearWhen }) })

const value = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: -4, max: 24 }).map((n) => n / 4) },
  { weight: 1, arbitrary: fc.constantFrom(2.09, 3.12, 1e-12, -40) },
)
/** What a reading measures. */
export const values = fc.dictionary(measurement, value, { minKeys: 1, maxKeys: 2, noNullPrototype: true })

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
