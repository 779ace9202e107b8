import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RuleDocument } from '../../alerts/rule-document.ts'
import type { Transition } from '../../alerts/transition.ts'
import type { FleetDocument } from '../../pipeline/fleet-document.ts'
import type { Value } from '../need.ts'
import { ShardEngine } from './engine.ts'
import type { Labels } from './ports.ts'
import { documentOf, readingParts, sensitive } from './testing/arbitrary-rules.ts'
import { bodyOf, eventsBody, lateFleet, ports } from './testing/builders.ts'
import { Reference, type Step } from './testing/reference.ts'
import { type Found, isNear } from './testing/reference-world.ts'
import { inOrder, series, shuffled } from './testing/series.ts'
import { happenings, setting, tell } from './testing/stories.ts'

/** FLEETLOOM_FULL=1 runs the full form. */
const RUNS = process.env.FLEETLOOM_FULL === '1' ? 5000 : 120

const engineFor = (fleet: FleetDocument): ShardEngine =>
  new ShardEngine(fleet, { ports: { ...ports, detector: sensitive }, shard: 0, eventsTable: 'cold_events' })

const give = (engine: ShardEngine, step: Step): void => {
  if ('storedMs' in step) {
    const { storedMs, markMs } = step
    const message = { storedMs, ...(markMs !== undefined && { progress: { session: 0, ms: markMs } }) }
    if ('readings' in step) engine.take({ body: bodyOf(step.readings), ...message })
    else engine.takeEvents({ body: eventsBody(step.events), ...message })
  } else if ('rule' in step) assert.equal(engine.setRule(step.rule), undefined)
  else if ('ruleGone' in step) engine.removeRule(step.ruleGone)
  else if ('device' in step) engine.setDevice(step.device, { labels: step.labels })
  else if ('deviceGone' in step) engine.removeDevice(step.deviceGone)
  else engine.removeFleet()
}

const feed = (engine: ShardEngine, steps: readonly Step[]): Transition[] => {
  for (const step of steps) give(engine, step)
  return engine.drain()
}

type Told = Pick<Found, 'ruleUid' | 'device' | 'from' | 'to' | 'cause' | 'atMicros'> & {
  readonly value?: Value | undefined
}

const textOf = ({ ruleUid, device, from, to, cause, atMicros }: Told): string =>
  `${ruleUid} ${device} ${from}>${to} ${cause} @${atMicros}`

const sorted = <T extends Told>(all: readonly T[]): readonly T[] => {
  const keyed = all.map((one) => ({ one, text: textOf(one) }))
  const byText = (a: string, b: string): number => Number(a > b) - Number(a < b)
  return keyed.sort((a, b) => byText(a.text, b.text) || Number(a.one.value) - Number(b.one.value)).map(({ one }) => one)
}

const assertSame = (transitions: readonly Transition[], found: readonly Found[]): void => {
  const [actual, expected] = [sorted(transitions), sorted(found)]
  assert.deepEqual(actual.map(textOf), expected.map(textOf))
  for (const [i, one] of expected.entries())
    assert.ok(isNear(actual[i]?.value, one), `${textOf(one)} has the value ${actual[i]?.value}, not ${one.value}`)
}

test('the engine agrees with the reference on any rules and any story', () => {
  let count = 0
  const property = fc.property(setting, happenings, (setting, story) => {
    const steps = tell(setting, story)
    const fleet = lateFleet(setting.allowedLatenessMs)
    const reference = new Reference(fleet, sensitive)
    for (const step of steps) reference.take(step)
    fc.pre(!reference.isDoubtful)
    const transitions = feed(engineFor(fleet), steps)
    count += transitions.length
    assertSame(transitions, reference.found)
  })
  fc.assert(property, { numRuns: RUNS })
  assert.ok(count > RUNS * 3, `only ${count} transitions: the test says little`)
})

type Standing = { readonly rules: ReadonlyMap<string, RuleDocument>; readonly devices: ReadonlyMap<string, Labels> }

const without = <T>(all: ReadonlyMap<string, T>, name: string): ReadonlyMap<string, T> =>
  new Map([...all].filter(([key]) => key !== name))

const withRule = (rules: Standing['rules'], rule: RuleDocument): Standing['rules'] => {
  const others = without(rules, rule.uid)
  return rule.suspend ? others : new Map([...others, [rule.uid, rule]])
}

const after = ({ rules, devices }: Standing, step: Step): Standing => {
  if ('rule' in step) return { rules: withRule(rules, step.rule), devices }
  if ('ruleGone' in step) return { rules: without(rules, step.ruleGone), devices }
  if ('device' in step) return { rules, devices: new Map([...devices, [step.device, step.labels]]) }
  return 'deviceGone' in step ? { rules, devices: without(devices, step.deviceGone) } : { rules, devices }
}

/** Rules and devices as they stand after some steps, rules in the order in which they were set. */
const standing = (steps: readonly Step[]): Standing => steps.reduce(after, { rules: new Map(), devices: new Map() })

test('an engine that goes on from a snapshot, however long that is copied, finds the same transitions', () => {
  const property = fc.property(setting, happenings, fc.nat(), fc.nat(12), (setting, story, pick, meanwhile) => {
    const steps = tell(setting, story)
    const [fleet, middle] = [lateFleet(setting.allowedLatenessMs), pick % steps.length]
    const [first, second] = [engineFor(fleet), engineFor(fleet)]
    feed(first, steps.slice(0, middle))
    const { rules, devices } = standing(steps.slice(0, middle))
    for (const [id, labels] of [...devices].reverse()) second.setDevice(id, { labels })
    for (const rule of rules.values()) assert.equal(second.setRule(rule), undefined)
    const [rest, copy] = [steps.slice(middle), first.beginSnapshot()]
    const before = feed(first, rest.slice(0, meanwhile))
    copy.finish()
    assert.ok(second.restore(copy.step() ?? []))
    assert.deepEqual(second.drain(), [])
    assert.deepEqual(sorted(feed(second, rest)), sorted([...before, ...feed(first, rest.slice(meanwhile))]))
    assert.deepEqual(second.counts(), first.counts())
    assert.equal(second.online, first.online)
  })
  fc.assert(property, { numRuns: RUNS })
})

test('readings out of order within the allowed lateness, in other batches and again, change no transition', () => {
  let count = 0
  const rules = fc.array(fc.record(readingParts), { minLength: 1, maxLength: 3 })
  const lateness = fc.constantFrom(0, 2000, 10_000)
  const property = fc.property(lateness, rules, series, (allowedLatenessMs, rules, points) => {
    const ready = (): ShardEngine => {
      const engine = engineFor(lateFleet(allowedLatenessMs))
      for (const device of ['r-1', 'r-2']) engine.setDevice(device, { labels: { cargo: 'vaccine' } })
      for (const [i, rule] of rules.entries()) assert.equal(engine.setRule(documentOf(i, 1, rule)), undefined)
      return engine
    }
    const expected = feed(ready(), inOrder(points))
    count += expected.length
    assert.deepEqual(sorted(feed(ready(), shuffled(points, allowedLatenessMs))), sorted(expected))
  })
  fc.assert(property, { numRuns: RUNS })
  assert.ok(count > RUNS * 3, `only ${count} transitions: the test says little`)
})
