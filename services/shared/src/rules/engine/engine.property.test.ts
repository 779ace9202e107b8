import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RuleDocument } from '../../alerts/rule-document.ts'
import type { Transition } from '../../alerts/transition.ts'
import type { FleetDocument } from '../../pipeline/fleet-document.ts'
import type { Need } from '../need.ts'
import { ShardEngine } from './engine.ts'
import { bodyOf, fleetDocument, lateFleet, ports, type Reading, ruleDocument, type Tree } from './testing/builders.ts'
import { type Delivery, Reference } from './testing/reference.ts'

/** ENGINE_RUNS=20000 runs the full form. */
const RUNS = Number(process.env.ENGINE_RUNS ?? 400)
const START_MS = 1_700_000_000_123
const DEVICES = ['r-1', 'r-2']
const MEASUREMENTS = ['temperature', 'humidity'] as const

const measurement = fc.constantFrom(...MEASUREMENTS)
const windowMs = fc.constantFrom(1000, 7001, 60_000, 300_000)
const need: fc.Arbitrary<Need> = fc.oneof(
  fc.record({ fn: fc.constant('last'), measurement }) as fc.Arbitrary<Need>,
  fc.record({
    fn: fc.constantFrom('avg', 'min', 'max', 'sum', 'count', 'rate', 'delta', 'stddev'),
    ...{ measurement, windowMs },
  }) as fc.Arbitrary<Need>,
)
const silence: fc.Arbitrary<Tree> = fc.oneof(
  fc.record({
    need: fc.record({ fn: fc.constant('absent'), measurement, windowMs }) as fc.Arbitrary<Need>,
    is: fc.boolean(),
  }),
  fc.record({ need: fc.constant({ fn: 'offline' } as Need), is: fc.constant(true) }),
)
/** Thresholds that no average, rate or deviation of such readings meets by chance. */
const comparison = fc.record({ need, over: fc.constantFrom(-1.0123, 0.5123, 2.0123, 3.0123, 5.0123, 20.0123) })
const leaf: fc.Arbitrary<Tree> = fc.oneof({ weight: 4, arbitrary: comparison }, silence)
const tree: fc.Arbitrary<Tree> = fc.oneof(
  { weight: 4, arbitrary: leaf },
  fc.record({ not: leaf }),
  fc.record({ all: fc.tuple(leaf, leaf) }),
  fc.record({ any: fc.tuple(leaf, leaf) }),
)
const rule = fc.record({
  when: tree,
  clearWhen: fc.option(tree, { nil: undefined, freq: 2 }),
  forMs: fc.constantFrom(0, 0, 1500, 20_000),
  forReadings: fc.constantFrom(1, 1, 2, 3),
  keepFiringForMs: fc.constantFrom(0, 0, 3000, 40_000),
})
const rules = fc
  .array(rule, { minLength: 1, maxLength: 4 })
  .map((all) =>
    all.map(({ clearWhen, ...rest }, i) =>
      ruleDocument({ uid: `rule-${i}`, ...rest, ...(clearWhen && { clearWhen }) }),
    ),
  )

/** What happens next: the world's time goes on, then readings, readings that come again, or a mark. */
const happening = fc.record({
  passMs: fc.oneof(
    fc.integer({ min: 0, max: 2000 }),
    fc.integer({ min: 0, max: 12_000 }),
    fc.constantFrom(45_000, 400_000),
  ),
  kind: fc.constantFrom('readings', 'readings', 'mark', 'both', 'again'),
  readings: fc.array(
    fc.record({
      device: fc.constantFrom(...DEVICES),
      lateMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4000 }), fc.integer({ min: 0, max: 15_000 })),
      values: fc.dictionary(
        measurement,
        fc.integer({ min: 0, max: 24 }).map((n) => n / 4),
        { minKeys: 1, maxKeys: 2, noNullPrototype: true },
      ),
      micros: fc.integer({ min: 0, max: 2 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  pick: fc.nat(),
})
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never

/** The deliveries of a story. `skewMs` is how wrong the clock of the second device is. */
const tell = (story: readonly Happening[], skewMs: number): Delivery[] => {
  let now = START_MS
  let digest = 0
  const all: Reading[] = []
  return story.map(({ passMs, kind, readings, pick }) => {
    now += passMs
    const mark = kind === 'mark' || kind === 'both' ? { markMs: now - (pick % 4) * 1500 } : {}
    if (kind === 'mark') return { storedMs: now, readings: [], ...mark }
    if (kind === 'again') {
      const from = all.length === 0 ? 0 : pick % all.length
      return { storedMs: now, readings: all.slice(from, from + 3) }
    }
    const fresh = readings.map(({ device, lateMs, values, micros }) => ({
      ...{ device, values, digest: (digest++ * 7919) % 1000 },
      micros: (now + (device === 'r-2' ? skewMs : 0) - lateMs) * 1000 + micros,
    }))
    all.push(...fresh)
    return { storedMs: now, readings: fresh, ...mark }
  })
}

const story = fc.array(happening, { minLength: 5, maxLength: 60 })
const fleet = fc.constantFrom(0, 0, 2000, 10_000).map((late) => (late === 0 ? fleetDocument() : lateFleet(late)))
const skew = fc.constantFrom(0, -7000, 1000, -3_600_000)
const setting = fc.record({ document: fleet, documents: rules, skew })

const textOf = ({ ruleUid, device, from, to, atMicros, value }: Transition): string =>
  `${ruleUid} ${device} ${from}>${to} @${atMicros} ${value}`

/** Sums of squares are rounded differently in a different order. */
const rounded = (text: string): string => text.replace(/ -?\d+\.\d+$/, (value) => ` ${Number(value).toFixed(7)}`)

const engineFor = (document: FleetDocument, documents: readonly RuleDocument[]): ShardEngine => {
  const engine = new ShardEngine(document, { ports, shard: 0, eventsTable: 'cold_events' })
  for (const id of DEVICES) engine.setDevice(id, { labels: {} })
  for (const one of documents) assert.equal(engine.setRule(one), undefined)
  return engine
}

const feed = (engine: ShardEngine, deliveries: readonly Delivery[]): Transition[] => {
  for (const { storedMs, markMs, readings } of deliveries)
    engine.take({
      body: bodyOf(readings),
      storedMs,
      ...(markMs !== undefined && { progress: { session: 0, ms: markMs } }),
    })
  return engine.drain()
}

const sorted = (texts: readonly string[]): string[] => texts.map(rounded).sort()

test('the engine agrees with the reference on any rules and any deliveries', () => {
  let found = 0
  const property = fc.property(setting, story, ({ document, documents, skew }, happenings) => {
    const deliveries = tell(happenings, skew)
    const reference = new Reference(document, documents, DEVICES)
    for (const delivery of deliveries) reference.deliver(delivery)
    const transitions = feed(engineFor(document, documents), deliveries)
    found += transitions.length
    assert.deepEqual(sorted(transitions.map(textOf)), sorted(reference.transitions))
    assert.equal(new Set(transitions.map(({ id }) => id)).size, transitions.length, 'ids are distinct')
  })
  fc.assert(property, { numRuns: RUNS })
  assert.ok(found > RUNS, `only ${found} transitions: the test says little`)
})

test('an engine that goes on from a snapshot finds the same transitions', () => {
  const property = fc.property(setting, story, fc.nat(), ({ document, documents, skew }, happenings, pick) => {
    const deliveries = tell(happenings, skew)
    const middle = pick % deliveries.length
    const first = engineFor(document, documents)
    feed(first, deliveries.slice(0, middle))
    const second = new ShardEngine(document, { ports, shard: 0, eventsTable: 'cold_events' })
    for (const id of [...DEVICES].reverse()) second.setDevice(id, { labels: {} })
    for (const one of documents) second.setRule(one)
    assert.ok(second.restore(first.snapshot()))
    assert.deepEqual(second.drain(), [])
    const rest = deliveries.slice(middle)
    assert.deepEqual(feed(second, rest).map(textOf).sort(), feed(first, rest).map(textOf).sort())
    assert.deepEqual(second.counts(), first.counts())
    assert.equal(second.online, first.online)
  })
  fc.assert(property, { numRuns: RUNS })
})
