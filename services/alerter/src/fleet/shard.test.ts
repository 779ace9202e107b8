import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import fc from 'fast-check'
import { fleetDocument, ruleDocument, storyOf, turn, World } from './testing.ts'

/** FLEETLOOM_FULL=1 runs the full form. */
const RUNS = process.env.FLEETLOOM_FULL === '1' ? 5_000 : 300

const started = async (): Promise<World> => {
  const world = new World()
  world.devices.set('a', {})
  world.rules.set('rule-1', ruleDocument())
  await world.start()
  return world
}

test('what is found after a change from outside is held until a checkpoint has the change', async () => {
  const world = await started()
  const gate = Promise.withResolvers<void>()
  world.write = () => gate.promise
  await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), [])
  gate.resolve()
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing'])
  world.write = () => new Promise(() => undefined)
  await world.message({ device: 'a', temperature: 5 })
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing', 'resolved by condition'])
})

/** A shard of many devices, of which a copy takes longer than one slice; `a` is the last one that is copied. */
const large = async (rule: Partial<RuleDocument>): Promise<World> => {
  const world = new World()
  for (const device of [...Array.from({ length: 10_000 }, (_, i) => `d-${i}`), 'a']) world.devices.set(device, {})
  world.rules.set('rule-1', ruleDocument(rule))
  world.rules.set('rule-2', ruleDocument({ uid: 'rule-2', when: "avg(temperature, '1m') > 1000.0" }))
  await world.start()
  return world
}

/** Begins a checkpoint, whose copy is not made yet when this returns. */
const beginCheckpoint = ({ shard }: World): void => shard.tick(performance.now() + 1e9)

test('a message is taken while a checkpoint is copied, and counts once after a crash', async () => {
  const world = await large({ forReadings: 3 })
  await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  const before = world.checkpoint
  beginCheckpoint(world)
  await world.message({ device: 'a', temperature: 9 })
  assert.equal(world.checkpoint, before)
  while (world.checkpoint === before) await turn()
  await world.start()
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), [])
  await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing'])
})

test('a change that comes while a checkpoint is copied is not in it by half', async () => {
  const world = await large({})
  await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  while (storyOf(world, 'rule-1', 'a').length === 0) await turn()
  const before = world.checkpoint
  let writes = 0
  world.write = () => (writes++ === 0 ? turn() : new Promise(() => undefined))
  beginCheckpoint(world)
  world.removeDevice('a')
  while (world.checkpoint === before) await turn()
  world.write = turn
  await world.start()
  for (let turns = 0; turns < 1_000 && storyOf(world, 'rule-1', 'a').length < 2; turns++) await turn()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing', 'resolved by device-removed'])
})

test('a device that is removed before a crash, and one that is removed in it, resolve once', async () => {
  const world = await started()
  world.setDevice('b')
  for (const device of ['a', 'b']) await world.message({ device, temperature: 9 })
  await world.settle()
  world.removeDevice('a')
  await world.message()
  await turn()
  world.devices.delete('b')
  await world.start()
  await world.settle()
  for (const device of ['a', 'b'])
    assert.deepEqual(storyOf(world, 'rule-1', device), ['firing', 'resolved by device-removed'], device)
})

test('a shard that was overtaken publishes nothing of what it holds', async () => {
  const world = await started()
  await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  world.overtake()
  world.setRule(ruleDocument({ generation: 2, when: 'last(temperature) > 10.0' }))
  await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  assert.equal(world.overtaken, 1)
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing'])
  await world.start()
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing', 'resolved by condition'])
})

test('a checkpoint that can not be written is tried again, and nothing is lost', async () => {
  const world = await started()
  world.write = () => Promise.reject(new Error('away'))
  await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), [])
  world.write = turn
  world.shard.tick(performance.now())
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing'])
})

test('a shard that is closed or whose fleet goes while a slow store writes does not overtake itself', async () => {
  for (const end of ['close', 'fleetGone'] as const) {
    const world = await started()
    await world.settle()
    const waiting: (() => void)[] = []
    world.write = () => new Promise((resolve) => void waiting.push(resolve))
    world.setDevice('b')
    world.setRule(ruleDocument({ uid: 'rule-2', when: 'last(temperature) > 7.0' }))
    await world.message({ device: 'a', temperature: 9 })
    const ended = end === 'close' ? world.shard.close() : world.shard.fleetGone(new AbortController().signal)
    for (let i = 0; i < 20; i++) {
      waiting.shift()?.()
      assert.ok(waiting.length <= 1, `${waiting.length + 1} checkpoints are under way`)
      await world.settle()
    }
    await ended
    assert.equal(world.overtaken, 0)
    const fired = end === 'close' ? ['firing'] : ['firing', 'resolved by fleet-removed']
    if (end === 'close') await world.start()
    await world.settle()
    assert.deepEqual(storyOf(world, 'rule-1', 'a'), fired, end)
  }
})

test('an alert that is pending goes on pending over a restart', async () => {
  const world = new World()
  world.devices.set('a', {})
  world.rules.set('rule-1', ruleDocument({ forMs: 1_000 }))
  await world.start()
  await world.message({ device: 'a', temperature: 9 })
  await world.shard.close()
  for (let i = 0; i < 5; i++) await world.message({ device: 'a', temperature: 9 })
  await world.start()
  for (let i = 0; i < 5; i++) await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  const fired = [...world.recorded.values()].filter(({ to }) => to === 'firing')
  assert.deepEqual(
    fired.map(({ atMicros }) => atMicros),
    [1_700_000_001_100_000],
  )
})

test('a fleet that is gone resolves what fires once, and takes its checkpoint along; another of its name ends what is left', async () => {
  const world = await started()
  await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  const { signal } = new AbortController()
  const checkpoint = world.checkpoint
  assert.ok(checkpoint)
  await world.shard.fleetGone(signal)
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing', 'resolved by fleet-removed'])
  assert.equal(world.checkpoint, undefined)

  const former = await started()
  await former.message({ device: 'a', temperature: 9 })
  await former.settle()
  former.document = fleetDocument({ uid: 'fleet-2' })
  await former.start()
  await former.settle()
  assert.deepEqual(storyOf(former, 'rule-1', 'a'), ['firing', 'resolved by fleet-removed'])
})

test('a rule that waits for a measurement is judged once the fleet has it', async () => {
  const world = await started()
  world.setRule(ruleDocument({ uid: 'rule-2', when: 'last(humidity) > 1.0' }))
  const fault = () => world.shard.report().rules?.find(({ uid }) => uid === 'rule-2')?.fault
  assert.match(fault() ?? '', /humidity/)
  const measurements = [...fleetDocument().measurements, { name: 'humidity', type: 'Double' as const }]
  world.shard.setFleet(fleetDocument({ measurements, generation: 2 }))
  assert.equal(fault(), undefined)
})

test('it is told what became of rows, and not again of those of a checkpoint', async () => {
  const world = await started()
  await world.message({ device: 'a', temperature: 5 })
  await world.message({ device: 'stranger', temperature: 5 })
  await world.message()
  await world.shard.close()
  await world.start()
  await world.message({ device: 'a', temperature: 5 })
  assert.deepEqual(world.rows, ['taken 1', 'unknown 1', 'taken 1'])
})

test('a rule whose document says that it is being removed ends its alerts, over a crash too, and is reported as removed', async () => {
  const world = await started()
  await world.message({ device: 'a', temperature: 9 })
  await world.settle()
  world.setRule(ruleDocument({ phase: 'Removing' }))
  await world.settle()
  const story = ['firing', 'resolved by rule-removed']
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), story)
  assert.equal(world.shard.report().rules?.[0]?.removed, true)
  await world.start()
  await world.message({ device: 'a', temperature: 9 })
  world.removeRule('rule-1')
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), story)
})

test('a rule that is suspended and judged again at once fires once more', async () => {
  const world = await started()
  world.setRule(ruleDocument({ uid: 'rule-2' }))
  await world.message({ device: 'a', temperature: 9 })
  for (const suspend of [true, false]) world.setRule(ruleDocument({ suspend, generation: suspend ? 2 : 3 }))
  await world.message({ device: 'a', temperature: 5 })
  await world.settle()
  const once = ['firing', 'resolved by condition']
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing', 'resolved by rule-changed', ...once])
  assert.deepEqual(storyOf(world, 'rule-2', 'a'), once)
})

test('without a checkpoint what fires goes on, and resolves when its condition has ended', async () => {
  const world = await started()
  world.setDevice('b')
  for (const device of ['a', 'b']) await world.message({ device, temperature: 9 })
  await world.settle()
  world.forget()
  await world.start()
  assert.equal(world.shard.report().rules?.[0]?.firing, 2)
  await world.message({ device: 'a', temperature: 5 })
  await world.message({ device: 'b', temperature: 9 })
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing', 'resolved by condition'])
  assert.deepEqual(storyOf(world, 'rule-1', 'b'), ['firing'])
  const [fired, resolved] = [...world.recorded.values()].filter(({ device, to }) => device === 'a' && to !== 'pending')
  assert.equal(resolved?.firingSinceMicros, fired?.atMicros)
})

test('without a checkpoint what the stream still holds ends an alert only as a whole', async () => {
  const world = await started()
  world.setRule(ruleDocument({ uid: 'rule-2', when: "avg(temperature, '10m') > 8.0" }))
  for (const temperature of [20, 20, 1]) await world.message({ device: 'a', temperature })
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-2', 'a'), ['firing'])
  world.forget(3)
  await world.message({ device: 'a', temperature: 20 })
  await world.start()
  await world.message({ device: 'a', temperature: 20 })
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-2', 'a'), ['firing'])
})

test('without a checkpoint an alert whose rule, device or match is gone resolves with its cause', async () => {
  const world = await started()
  for (const device of ['b', 'c']) world.setDevice(device)
  world.setRule(ruleDocument({ uid: 'rule-2' }))
  world.setRule(ruleDocument({ uid: 'rule-3' }))
  world.setRule(ruleDocument({ uid: 'rule-4' }))
  for (const device of ['a', 'b', 'c']) await world.message({ device, temperature: 9 })
  await world.settle()
  world.rules.delete('rule-2')
  world.rules.set('rule-3', ruleDocument({ uid: 'rule-3', generation: 2, suspend: true }))
  world.rules.set('rule-4', ruleDocument({ uid: 'rule-4', phase: 'Removing' }))
  world.devices.delete('b')
  world.forget()
  await world.start()
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-1', 'a'), ['firing'])
  assert.deepEqual(storyOf(world, 'rule-1', 'b'), ['firing', 'resolved by device-removed'])
  assert.deepEqual(storyOf(world, 'rule-2', 'a'), ['firing', 'resolved by rule-removed'])
  assert.deepEqual(storyOf(world, 'rule-3', 'a'), ['firing', 'resolved by rule-changed'])
  assert.deepEqual(storyOf(world, 'rule-4', 'a'), ['firing', 'resolved by rule-removed'])
  assert.deepEqual(
    world.firing().map(({ ruleUid, device }) => `${ruleUid} ${device}`),
    ['rule-1 a', 'rule-1 c'],
  )
})

test('without a checkpoint a device that is silent stays offline', async () => {
  const world = await started()
  world.setRule(ruleDocument({ uid: 'rule-2', when: 'offline()' }))
  for (let i = 0; i < 150; i++) await world.message()
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-2', 'a'), ['firing'])
  world.forget()
  await world.start()
  for (let i = 0; i < 150; i++) await world.message()
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-2', 'a'), ['firing'])
  await world.message({ device: 'a', temperature: 5 })
  await world.settle()
  assert.deepEqual(storyOf(world, 'rule-2', 'a'), ['firing', 'resolved by condition'])
})

type Step =
  | { readonly kind: 'reading'; readonly device: string; readonly temperature: number }
  | { readonly kind: 'rule'; readonly uid: string; readonly threshold: number; readonly forMs: number }
  | { readonly kind: 'ruleGone' | 'suspend'; readonly uid: string }
  | { readonly kind: 'device' | 'deviceGone'; readonly device: string }
  | { readonly kind: 'mark' | 'tick' | 'turn' | 'crash' }

const device = fc.constantFrom('a', 'b')
const uid = fc.constantFrom('rule-1', 'rule-2')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('reading'), device, temperature: fc.constantFrom(5, 9, 12) }) },
  fc.record({ kind: fc.constant('rule'), uid, threshold: fc.constantFrom(8, 10), forMs: fc.constantFrom(0, 200) }),
  fc.record({ kind: fc.constantFrom('ruleGone', 'suspend'), uid }),
  fc.record({ kind: fc.constant('device'), device }),
  fc.record({ kind: fc.constant('deviceGone'), device }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('mark', 'tick', 'turn', 'crash') }) },
) as fc.Arbitrary<Step>

let generation = 1
/** UIDs are never used again. */
let epoch = 0

const rulesOf = (world: World, prefix: string): RuleDocument[] =>
  [...world.rules.values()].filter((rule) => rule.uid.startsWith(prefix))

const apply = async (world: World, one: Step): Promise<unknown> => {
  switch (one.kind) {
    case 'reading':
      return world.message({ device: one.device, temperature: one.temperature })
    case 'rule':
      return world.setRule(
        ruleDocument({
          ...{ uid: `${one.uid}-${epoch}`, generation: ++generation, forMs: one.forMs },
          when: `last(temperature) > ${one.threshold}.0`,
        }),
      )
    case 'ruleGone':
      for (const known of rulesOf(world, one.uid)) world.removeRule(known.uid)
      return epoch++
    case 'suspend':
      for (const known of rulesOf(world, one.uid))
        world.setRule({ ...known, suspend: !known.suspend, generation: ++generation })
      return undefined
    case 'device':
      return world.setDevice(one.device)
    case 'deviceGone':
      return world.removeDevice(one.device)
    case 'mark':
      return world.message()
    case 'tick':
      return world.shard.tick(Number.POSITIVE_INFINITY)
    case 'turn':
      return turn()
    default:
      return world.start()
  }
}

test('wherever it crashes and whatever changes, each alert fires and resolves in turn, and what fires at the end is firing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const world = await started()
      for (const one of steps) await apply(world, one)
      await world.settle()
      const uids = new Set([...world.recorded.values()].map(({ ruleUid }) => ruleUid))
      const told = { rules: [...uids], devices: ['a', 'b'] }
      let firing = 0
      for (const rule of told.rules)
        for (const each of told.devices) {
          const states = storyOf(world, rule, each).map((word) => word.slice(0, 6))
          const expected = states.map((_, i) => (i % 2 === 0 ? 'firing' : 'resolv'))
          assert.deepEqual(states, expected, `${rule} ${each}`)
          firing += states.length % 2
        }
      assert.equal(
        firing,
        world.shard.report().rules?.reduce((sum, one) => sum + one.firing, 0),
      )
    }),
    { numRuns: RUNS },
  )
})
