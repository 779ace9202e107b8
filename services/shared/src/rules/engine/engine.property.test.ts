import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Transition } from '../../alerts/transition.ts'
import type { FleetDocument } from '../../pipeline/fleet-document.ts'
import { ShardEngine } from './engine.ts'
import { bodyOf, eventsBody, lateFleet, ports } from './testing/builders.ts'
import { Reference, type Step } from './testing/reference.ts'
import type { Found } from './testing/reference-world.ts'
import { happenings, sensitive, setting, tell } from './testing/stories.ts'

/** FLEETLOOM_FULL=1 runs the full form. */
const RUNS = Number(process.env.ENGINE_RUNS ?? (process.env.FLEETLOOM_FULL === '1' ? 8000 : 250))

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

type Told = Omit<Found, 'isRough'>

const textOf = ({ ruleUid, device, from, to, cause, atMicros, value }: Told): string =>
  `${ruleUid} ${device} ${from}>${to} ${cause} @${atMicros} ${value}`

/** The same transitions, with values that differ by no more than rounding, or by the error of a sketch. */
const assertSame = (transitions: readonly Transition[], found: readonly Found[]): void => {
  const told = transitions.map(({ value, ...rest }) => ({ ...rest, value }))
  const rounded = (value: unknown) => (typeof value === 'number' ? Math.round(value * 1e7) / 1e7 : value)
  const nearest = (one: Told): unknown => {
    const rough = found.find(
      (other) => other.isRough && textOf({ ...one, value: 0 }) === textOf({ ...other, value: 0 }),
    )
    const isNear =
      rough && Math.abs(Number(one.value) - Number(rough.value)) <= Math.abs(Number(rough.value)) * 0.0101 + 1e-9
    return isNear ? rounded(rough.value) : rounded(one.value)
  }
  assert.deepEqual(
    told.map((one) => textOf({ ...one, value: nearest(one) as Found['value'] })).sort(),
    found.map((one) => textOf({ ...one, value: rounded(one.value) as Found['value'] })).sort(),
  )
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
  assert.ok(count > RUNS, `only ${count} transitions: the test says little`)
})
