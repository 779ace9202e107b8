import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RuleDocument } from '../../alerts/rule-document.ts'
import { ShardEngine } from './engine.ts'
import { bodyOf, eventsBody, fleetDocument, lateFleet, ports, ruleDocument, type Tree } from './testing/builders.ts'

const START = 1_700_000_000_000
const WARM = { need: { fn: 'last', measurement: 'temperature' }, over: 8 } as const
const average = (windowMs: number): Tree => ({ need: { fn: 'avg', measurement: 'temperature', windowMs }, over: 8 })

const make = (devices: readonly string[], rules: readonly RuleDocument[], fleet = fleetDocument()): ShardEngine => {
  const engine = new ShardEngine(fleet, { ports, shard: 0, eventsTable: 'cold_events' })
  for (const id of devices) engine.setDevice(id, { labels: {} })
  for (const rule of rules) assert.equal(engine.setRule(rule), undefined)
  return engine
}

const read = (engine: ShardEngine, device: string, second: number, values: Record<string, number | string>): void =>
  engine.take({
    body: bodyOf([{ device, micros: (START + second * 1000) * 1000, digest: second, values }]),
    storedMs: START + second * 1000,
  })

const told = (engine: ShardEngine): string[] =>
  engine.drain().map(({ rule, device, from, to, cause }) => `${rule} ${device} ${from}>${to} ${cause}`)

test('chunks hold at most 512 KiB, and later messages do not change them', () => {
  const devices = Array.from({ length: 3000 }, (_, i) => `r-${i}`)
  const rules = [ruleDocument({ when: average(60_000) })]
  const engine = make(devices, rules)
  for (const device of devices) read(engine, device, 1, { temperature: 9 })
  const chunks = engine.snapshot()
  const copy = Buffer.concat(chunks)
  assert.ok(chunks.length > 4)
  assert.ok(chunks.every(({ length }) => length <= 512 * 1024))
  for (const device of devices) read(engine, device, 2, { temperature: 1 })
  assert.ok(copy.equals(Buffer.concat(chunks)))
  const second = make([...devices].reverse(), rules)
  assert.ok(second.restore(chunks))
  assert.equal(second.counts()[0]?.firing, 3000)
})

test('alerts of rules and devices that went meanwhile are resolved, and those of a changed rule go on', () => {
  const first = make(
    ['r-1', 'r-2'],
    [ruleDocument({ uid: 'a', name: 'a', when: WARM }), ruleDocument({ uid: 'b', name: 'b', when: WARM })],
  )
  for (const device of ['r-1', 'r-2']) read(first, device, 1, { temperature: 9 })
  first.drain()
  const changed = ruleDocument({ uid: 'b', name: 'b', generation: 2, when: average(60_000), forMs: 60_000 })
  const second = make(['r-2', 'r-3'], [changed])
  assert.ok(second.restore(first.snapshot()))
  assert.deepEqual(told(second).sort(), [
    'a r-1 firing>resolved rule-removed',
    'a r-2 firing>resolved rule-removed',
    'b r-1 firing>resolved device-removed',
  ])
  assert.deepEqual(
    second.counts().map(({ generation, firing }) => [generation, firing]),
    [[2, 1]],
  )
  assert.equal(second.known, 2)
})

test('texts, waiting rows, sketches, detectors and keys of events survive', () => {
  const door = { need: { fn: 'last', measurement: 'door' }, is: 'open' } as const
  const high = { need: { fn: 'percentile', measurement: 'temperature', q: 0.5, windowMs: 60_000 }, over: 4 } as const
  const odd = { need: { fn: 'anomaly', measurement: 'temperature' }, over: 0.5 } as const
  const event = { need: { fn: 'eventCount', type: 'login', windowMs: 60_000 }, over: 1 } as const
  const rules = [door, high, odd, event].map((when, i) =>
    ruleDocument({ uid: `${i}`, name: `${i}`, when, forReadings: 2 }),
  )
  const fleet = lateFleet(2000)
  const first = make(['r-1'], rules, fleet)
  for (let second = 0; second < 6; second++) read(first, 'r-1', second, { temperature: 5, door: 'open' })
  const login = {
    body: eventsBody([{ device: 'r-1', type: 'login', digest: 7, micros: (START + 5000) * 1000 }]),
    storedMs: START,
  }
  first.takeEvents(login)
  first.drain()
  const second = make(['r-0', 'r-1'], rules, fleet)
  assert.ok(second.restore(first.snapshot()))
  for (const engine of [first, second]) {
    engine.takeEvents(login)
    read(engine, 'r-1', 6, { temperature: 50 })
    read(engine, 'r-1', 20, { temperature: 1, door: 'closed' })
    read(engine, 'r-1', 30, { temperature: 1 })
  }
  const [one, two] = [first.drain(), second.drain()]
  assert.ok(one.length > 2)
  assert.deepEqual(two, one)
  assert.deepEqual([second.rowCounts.rows, second.rowCounts.repeated], [4, 1])
})

test('an alert of a rule that lost its measurement stays over a restart, until the measurement is back', () => {
  const fleet = fleetDocument()
  const without = { ...fleet, measurements: fleet.measurements.filter(({ name }) => name !== 'temperature') }
  const rules = [
    ruleDocument({ uid: 'a', name: 'a', when: WARM }),
    ruleDocument({ uid: 'b', name: 'b', when: WARM, forReadings: 2 }),
  ]
  const first = make(['r-1'], rules)
  read(first, 'r-1', 1, { temperature: 9 })
  first.setFleet(without)
  first.drain()
  const second = make(['r-1'], [], without)
  for (const rule of rules) assert.match(second.setRule(rule) ?? '', /unknown measurement temperature/)
  assert.ok(second.restore(first.snapshot()))
  assert.deepEqual(second.counts(), first.counts())
  for (const engine of [first, second]) {
    assert.deepEqual(
      engine.counts().map(({ firing, pending }) => [firing, pending]),
      [
        [1, 0],
        [0, 0],
      ],
    )
    read(engine, 'r-1', 2, { temperature: 1, humidity: 1 })
    assert.deepEqual(told(engine), [])
    engine.setFleet(fleet)
    read(engine, 'r-1', 3, { temperature: 1 })
    assert.deepEqual(told(engine), ['a r-1 firing>resolved condition'])
  }
})

test('a snapshot of another fleet of the same name is of no use, and neither is what is none', () => {
  const first = make(['r-1'], [])
  for (const bytes of [[], [1, 2, 3], new Array(64).fill(7)])
    assert.equal(first.restore([Uint8Array.from(bytes)]), false)
  const second = make(['r-1'], [], fleetDocument({ uid: 'fleet-2' }))
  assert.equal(second.restore(first.snapshot()), false)
})

test('what is pending goes on with the same rule and is dropped with a changed one', () => {
  const rule = ruleDocument({ when: WARM, forMs: 60_000 })
  const first = make(['r-1'], [rule])
  read(first, 'r-1', 1, { temperature: 9 })
  const pendingOf = (document: RuleDocument): number | undefined => {
    const second = make(['r-1'], [document])
    assert.ok(second.restore(first.snapshot()))
    return second.counts()[0]?.pending
  }
  assert.deepEqual([pendingOf(rule), pendingOf({ ...rule, generation: 2 })], [1, 0])
})

test('a snapshot that fails is told to who asked for it, and neither to the stream nor to what changes', () => {
  const broken = { stateBytes: 8, create: () => new Float64Array(1_000_000), observe: () => 0 }
  const engine = new ShardEngine(fleetDocument(), { ports: { ...ports, detector: broken }, shard: 0, eventsTable: 'e' })
  for (const id of ['r-1', 'r-2']) engine.setDevice(id, { labels: {} })
  const odd = { need: { fn: 'anomaly', measurement: 'humidity' }, over: 0.5 } as const
  for (const [uid, when] of Object.entries({ a: WARM, b: odd }))
    assert.equal(engine.setRule(ruleDocument({ uid, name: uid, when })), undefined)
  const copy = engine.beginSnapshot()
  read(engine, 'r-1', 1, { temperature: 9 })
  assert.deepEqual(told(engine), ['a r-1 inactive>firing condition'])
  engine.beginSnapshot()
  engine.removeDevice('r-1')
  assert.deepEqual(told(engine), ['a r-1 firing>resolved device-removed'])
  assert.throws(() => copy.step(), RangeError)
})

test('a snapshot that another takes the place of is given up', () => {
  const engine = make(['r-1'], [ruleDocument({ when: WARM })])
  const former = engine.beginSnapshot()
  const next = engine.beginSnapshot()
  read(engine, 'r-1', 1, { temperature: 9 })
  assert.throws(() => former.step(), /another snapshot/)
  assert.ok(make(['r-1'], [ruleDocument({ when: WARM })]).restore(next.step() ?? []))
})
