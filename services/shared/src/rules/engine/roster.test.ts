import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ShardEngine } from './engine.ts'
import { bodyOf, fleetDocument, lateFleet, ports, ruleDocument } from './testing/builders.ts'
import { OFFLINE, START, Story, WARM } from './testing/story.ts'

test('what fires is resolved with its cause when rule, device, fleet or match goes', () => {
  const selector = { matchLabels: { cargo: 'vaccine' }, matchExpressions: [] }
  const rule = (changes = {}) => ruleDocument({ when: WARM, selector, ...changes })
  const ended = (change: (engine: ShardEngine) => void): string[] => {
    const story = new Story([rule()])
    story.reading(0, 9)
    story.told()
    change(story.engine)
    assert.deepEqual([...story.engine.firing()], [])
    return story.told()
  }
  const resolved = (cause: string): string[] => [`too-warm r-1 firing>resolved 0.000001 ${cause}`]
  assert.deepEqual(
    ended((engine) => engine.removeRule('rule-1')),
    resolved('rule-removed'),
  )
  assert.deepEqual(
    ended((engine) => engine.removeDevice('r-1')),
    resolved('device-removed'),
  )
  assert.deepEqual(
    ended((engine) => engine.removeFleet()),
    resolved('fleet-removed'),
  )
  assert.deepEqual(
    ended((engine) => void engine.setRule(rule({ suspend: true }))),
    resolved('rule-changed'),
  )
  assert.deepEqual(
    ended((engine) => engine.setDevice('r-1', { labels: {} })),
    resolved('rule-changed'),
  )
})

test('an edited rule goes on firing and is judged anew; what was pending is dropped', () => {
  const story = new Story([ruleDocument({ when: WARM, forMs: 5000 })])
  story.reading(0, 9)
  assert.equal(story.engine.setRule(ruleDocument({ when: WARM, generation: 2 })), undefined)
  assert.deepEqual(story.told(), ['too-warm r-1 inactive>pending 0'])
  story.reading(1, 9)
  story.reading(2, 9)
  assert.deepEqual(story.told(), ['too-warm r-1 inactive>firing 1'])
  const hotter = { need: { fn: 'last', measurement: 'temperature' }, over: 20 } as const
  story.engine.setRule(ruleDocument({ when: hotter, generation: 3 }))
  assert.deepEqual(story.told(), ['too-warm r-1 firing>resolved 2'])
  assert.match(
    story.engine.setRule(ruleDocument({ when: { need: { fn: 'last', measurement: 'nope' }, over: 1 } })) ?? '',
    /when: unknown measurement nope/,
  )
  assert.deepEqual(
    story.engine.counts().map(({ generation }) => generation),
    [3],
  )
})

test('before a rule, a label or a device goes, time does what it had to do', () => {
  const changes: readonly ((engine: ShardEngine) => void)[] = [
    (engine) => engine.removeRule('rule-1'),
    (engine) => engine.setDevice('r-1', { labels: { cargo: 'fish' } }),
    (engine) => engine.removeDevice('r-1'),
  ]
  for (const change of changes) {
    const selector = { matchLabels: { cargo: 'vaccine' }, matchExpressions: [] }
    const story = new Story([ruleDocument({ when: WARM, forMs: 1500, selector })], lateFleet(2000))
    story.reading(0, 9)
    story.reading(25, 9)
    change(story.engine)
    const told = story.told().slice(0, 2)
    assert.deepEqual(told, ['too-warm r-1 inactive>pending 0', 'too-warm r-1 pending>firing 1.5'])
  }
})

test('an edited rule is judged at the time that the marks have reached, not when the device was looked at last', () => {
  const cooler = { need: { fn: 'last', measurement: 'temperature' }, over: 4 } as const
  const story = new Story([ruleDocument({ when: WARM })])
  story.reading(0, 5)
  story.marks(0, 20)
  story.engine.setRule(ruleDocument({ when: cooler, generation: 2 }))
  assert.deepEqual(story.told(), ['too-warm r-1 inactive>firing 15'])
})

const COUNT = { need: { fn: 'count', measurement: 'temperature', windowMs: 60_000 }, over: 1.5 } as const
const forCargo = (cargo: string) => ({ matchLabels: { cargo }, matchExpressions: [] })

test('history ends when an edit leaves no rule that needs it of the device', () => {
  const story = new Story([
    ruleDocument({ uid: 'a', name: 'edited', when: COUNT }),
    ruleDocument({ uid: 'b', name: 'fish', when: COUNT, selector: forCargo('fish') }),
  ])
  story.reading(0, 1)
  story.engine.setRule(ruleDocument({ uid: 'a', name: 'edited', when: WARM, generation: 2 }))
  story.reading(1, 1)
  story.engine.setDevice('r-1', { labels: { cargo: 'fish' } })
  story.reading(2, 1)
  assert.deepEqual(story.told(), [])
  story.reading(3, 1)
  assert.deepEqual(story.told(), ['fish r-1 inactive>firing 3'])
})

test('history goes on when a new label moves the device from one rule to another that needs it, in whatever order they stand', () => {
  for (const cargoes of [
    ['vaccine', 'fish'],
    ['fish', 'vaccine'],
  ]) {
    const rules = cargoes.map((cargo) =>
      ruleDocument({ uid: cargo, name: cargo, when: COUNT, selector: forCargo(cargo) }),
    )
    const story = new Story(rules)
    story.reading(0, 1)
    story.engine.setDevice('r-1', { labels: { cargo: 'fish' } })
    story.reading(1, 1)
    assert.deepEqual(story.told(), ['fish r-1 inactive>firing 1'])
  }
})

test('a rule that throws is counted, called unhealthy, and delays no other', () => {
  const broken = ruleDocument({ uid: 'broken', when: { any: [{ throws: 'out of luck' }, WARM] } })
  const story = new Story([broken, ruleDocument({ when: WARM })])
  for (let second = 0; second < 20; second++) story.reading(second, 9)
  assert.deepEqual(story.told(), ['too-warm r-1 inactive>firing 0'])
  const [first, second] = story.engine.counts()
  assert.deepEqual([first?.faults, first?.message, first?.firing], [20, 'out of luck', 0])
  assert.deepEqual([second?.faults, second?.message, second?.firing], [0, undefined, 1])
})

test('a rule that is slow again and again is judged no more', () => {
  let now = 0
  const slow = { ...ports, stopwatch: () => (now += 30) }
  const story = new Story([ruleDocument({ when: WARM })], fleetDocument(), slow)
  for (let second = 0; second < 6000; second++) story.reading(second, 1)
  assert.match(story.engine.counts()[0]?.message ?? '', /a judgement takes 30 ms/)
  story.reading(6001, 9)
  assert.deepEqual(story.told(), [])
})

test('a change of measurements keeps what still fits and stops the rules that do not', () => {
  const humid = { need: { fn: 'last', measurement: 'humidity' }, over: 50 } as const
  const story = new Story([ruleDocument({ when: WARM, forReadings: 2 }), ruleDocument({ uid: 'rule-2', when: humid })])
  story.reading(0, 9)
  const fleet = fleetDocument()
  story.engine.setFleet({ ...fleet, measurements: fleet.measurements.filter(({ name }) => name !== 'humidity') })
  story.reading(1, 9)
  story.reading(2, 9)
  assert.deepEqual(story.told().at(-1), 'too-warm r-1 pending>firing 2')
  assert.match(story.engine.counts().find(({ uid }) => uid === 'rule-2')?.message ?? '', /unknown measurement humidity/)
})

test('a rule misses nothing that leaves a window which another rule has moved', () => {
  const recent = { need: { fn: 'avg', measurement: 'temperature', windowMs: 1000 }, over: 0 } as const
  const story = new Story([
    ruleDocument({ uid: 'a', name: 'mover', when: { any: [OFFLINE, recent] }, clearWhen: OFFLINE }),
    ruleDocument({ uid: 'b', name: 'shares', when: recent, forReadings: 3 }),
  ])
  story.reading(0, 5)
  const humid = { device: 'r-1', micros: (START + 1500) * 1000, digest: 99, values: { humidity: 50 } }
  story.engine.take({ body: bodyOf([humid]), storedMs: START + 1500 })
  story.reading(45, 5)
  assert.deepEqual(story.told(), [
    'mover r-1 inactive>firing 0',
    'shares r-1 inactive>pending 0',
    'shares r-1 pending>inactive 1.5',
    'shares r-1 inactive>pending 45',
  ])
})
