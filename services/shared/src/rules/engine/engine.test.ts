import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RuleDocument } from '../../alerts/rule-document.ts'
import type { FleetDocument } from '../../pipeline/fleet-document.ts'
import { ShardEngine } from './engine.ts'
import type { Ports } from './ports.ts'
import { bodyOf, type EventRow, eventsBody, fleetDocument, lateFleet, ports, ruleDocument } from './testing/builders.ts'

const START = 1_700_000_000_000
const WARM = { need: { fn: 'last', measurement: 'temperature' }, over: 8 } as const
const OFFLINE = { need: { fn: 'offline' }, is: true } as const
const ABSENT = { need: { fn: 'absent', measurement: 'temperature', windowMs: 60_000 }, is: true } as const

/** An engine and what it is told, in seconds from the start. */
class Story {
  readonly engine: ShardEngine
  #digest = 0

  constructor(rules: readonly RuleDocument[], fleet: FleetDocument = fleetDocument(), given: Ports = ports) {
    this.engine = new ShardEngine(fleet, { ports: given, shard: 0, eventsTable: 'cold_events' })
    this.engine.setDevice('r-1', { labels: { cargo: 'vaccine' } })
    for (const rule of rules) assert.equal(this.engine.setRule(rule), undefined)
  }

  reading(second: number, temperature: number, { device = 'r-1', storedAt = second } = {}): void {
    const micros = (START + second * 1000) * 1000
    const row = { device, micros, digest: ++this.#digest, values: { temperature } }
    this.engine.take({ body: bodyOf([row]), storedMs: START + storedAt * 1000 })
  }

  mark(second: number): void {
    const ms = START + second * 1000
    this.engine.take({ body: new Uint8Array(0), storedMs: ms, progress: { session: 0, ms } })
  }

  marks(from: number, to: number): void {
    for (let second = from; second <= to; second++) this.mark(second)
  }

  events(events: readonly (Omit<EventRow, 'micros'> & { readonly second: number })[], storedAt: number): void {
    const rows = events.map(({ second, ...event }) => ({ ...event, micros: (START + second * 1000) * 1000 }))
    this.engine.takeEvents({ body: eventsBody(rows), storedMs: START + storedAt * 1000 })
  }

  /** The transitions since the last call: rule, device, change, second of the device's time, and the cause if it is another. */
  told(): string[] {
    return this.engine.drain().map(({ rule, device, from, to, atMicros, cause }) => {
      const second = (atMicros - START * 1000) / 1e6
      return [rule, device, `${from}>${to}`, second, ...(cause === 'condition' ? [] : [cause])].join(' ')
    })
  }
}

test('a transition says all that history and receivers need', () => {
  const story = new Story([
    ruleDocument({ when: WARM, labels: { team: 'cold' }, annotations: { summary: '{{ device }} is at {{ value }}' } }),
  ])
  story.reading(0, 9.5)
  const [transition, ...others] = story.engine.drain()
  assert.deepEqual(others, [])
  assert.match(transition?.id ?? '', /^[0-9a-f]{32}$/)
  assert.deepEqual(transition, {
    version: '1.0',
    id: transition?.id,
    ...{ installation: 'fleetloom', namespace: 'cold', fleet: 'reefers', rule: 'too-warm', ruleUid: 'rule-1' },
    ...{ device: 'r-1', from: 'inactive', to: 'firing', cause: 'condition' },
    ...{ atMicros: START * 1000, firingSinceMicros: START * 1000, value: 9.5, severity: 'critical' },
    ...{ labels: { team: 'cold' }, annotations: { summary: 'r-1 is at 9.5' }, notify: [] },
  })
})

test('for, keepFiringFor and a later reading take an alert through all its states', () => {
  const story = new Story([ruleDocument({ when: WARM, forMs: 10_000, keepFiringForMs: 20_000 })])
  for (let second = 0; second < 12; second += 2) story.reading(second, 9)
  assert.deepEqual(story.told(), ['too-warm r-1 inactive>pending 0', 'too-warm r-1 pending>firing 10'])
  assert.deepEqual(
    [...story.engine.firing()].map(({ device, sinceMicros }) => [device, (sinceMicros - START * 1000) / 1e6]),
    [['r-1', 10]],
  )
  story.reading(12, 3)
  story.mark(12)
  story.marks(13, 36)
  assert.deepEqual(story.told(), [])
  story.mark(37)
  assert.deepEqual(story.told(), ['too-warm r-1 firing>resolved 32'], 'time alone, five seconds behind the marks')
})

test('hysteresis damps a value that flaps around the threshold', () => {
  const noise = Array.from({ length: 100 }, (_, i) => 8 + (i % 2 === 0 ? 0.5 : -0.5))
  const plain = new Story([ruleDocument({ when: WARM })])
  const damped = new Story([
    ruleDocument({ when: WARM, clearWhen: { not: { need: { fn: 'last', measurement: 'temperature' }, over: 7 } } }),
  ])
  for (const story of [plain, damped]) for (const [second, value] of noise.entries()) story.reading(second, value)
  assert.equal(plain.told().length, 100)
  assert.deepEqual(damped.told(), ['too-warm r-1 inactive>firing 0'])
  damped.reading(100, 6)
  assert.deepEqual(damped.told(), ['too-warm r-1 firing>resolved 100'])
})

test('ten minutes of our outage raise no alarm about silence; a device silent meanwhile raises one', () => {
  const story = new Story([
    ruleDocument({ name: 'gone', uid: 'a', when: OFFLINE }),
    ruleDocument({ name: 'mute', uid: 'b', when: ABSENT }),
  ])
  story.engine.setDevice('r-2', { labels: {} })
  story.marks(0, 10)
  story.reading(10, 4)
  story.reading(10, 4, { device: 'r-2' })
  story.marks(11, 20)
  story.reading(615, 4, { storedAt: 620 })
  story.mark(620)
  story.marks(621, 640)
  assert.deepEqual(story.told(), ['gone r-2 inactive>firing 635'], '10 s before the outage and 20 s after it')
  assert.deepEqual(
    story.engine.drainPresence().map(({ device, online, atMs }) => [device, online, (atMs - START) / 1000]),
    [
      ['r-1', true, 10],
      ['r-2', true, 10],
      ['r-2', false, 640],
    ],
  )
  assert.deepEqual([story.engine.online, story.engine.known, story.engine.lastSeenMs('r-1')], [1, 2, START + 620_000])
})

test('a device that was never heard is judged from when it became known', () => {
  const story = new Story([ruleDocument({ name: 'gone', when: OFFLINE })])
  story.marks(0, 20)
  story.engine.setDevice('r-3', { labels: {} })
  story.marks(21, 50)
  assert.deepEqual(story.told(), ['gone r-1 inactive>firing 25', 'gone r-3 inactive>firing 45'])
  story.reading(51, 1)
  assert.deepEqual(story.told(), ['gone r-1 firing>resolved 51'])
})

test('with several ingest sessions the least mark counts', () => {
  const story = new Story([ruleDocument({ name: 'gone', when: OFFLINE })], fleetDocument({ sessions: 2 }))
  story.marks(0, 60)
  assert.deepEqual(story.told(), [])
  for (let second = 0; second <= 60; second++)
    story.engine.take({
      ...{ body: new Uint8Array(0), storedMs: START + 60_000 },
      progress: { session: 1, ms: START + second * 1000 },
    })
  assert.deepEqual(story.told(), ['gone r-1 inactive>firing 25'])
})

test('readings within the allowed lateness are used in order, older ones and repeats only count', () => {
  const rise = { need: { fn: 'delta', measurement: 'temperature', windowMs: 60_000 }, over: 0 } as const
  const story = new Story([ruleDocument({ when: rise })], lateFleet(10_000))
  for (const second of [4, 2, 0, 3, 1]) story.reading(second, second)
  story.reading(20, 5)
  assert.deepEqual(story.told(), ['too-warm r-1 inactive>firing 1'])
  story.reading(3, 0)
  assert.equal(story.engine.rowCounts.late, 1)
  const again = { device: 'r-1', micros: (START + 20_000) * 1000, digest: 6, values: { temperature: 5 } }
  story.engine.take({ body: bodyOf([again]), storedMs: START })
  assert.equal(story.engine.rowCounts.repeated, 1)
})

test('too many waiting readings are used early and counted', () => {
  const story = new Story([ruleDocument({ when: WARM })], lateFleet(3_600_000))
  for (let second = 0; second < 300; second++) story.reading(second, second === 0 ? 9 : 1)
  assert.equal(story.engine.rowCounts.early, 300 - 256)
  assert.deepEqual(story.told(), ['too-warm r-1 inactive>firing 0', 'too-warm r-1 firing>resolved 1'])
})

test('a reading from further ahead than the fleet accepts is left', () => {
  const story = new Story([ruleDocument({ when: WARM })])
  story.reading(400, 9, { storedAt: 0 })
  assert.deepEqual([story.told(), story.engine.rowCounts.future], [[], 1])
})

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

test('events are counted in windows, once, by fleet, shard and type, and wake their rules', () => {
  const burst = { need: { fn: 'eventCount', type: 'login_failed', windowMs: 60_000 }, over: 2 } as const
  const story = new Story([ruleDocument({ when: burst })])
  story.mark(0)
  const login = (digest: number, second: number) => ({ device: 'r-1', type: 'login_failed', digest, second })
  story.events([login(1, 1), login(2, 2), { ...login(9, 2), type: 'login' }, { ...login(8, 2), fleet: 'vans' }], 3)
  story.events([login(2, 2), login(1, 1)], 4)
  assert.deepEqual([story.told(), story.engine.rowCounts.repeated], [[], 2])
  story.events([login(3, 5)], 5)
  assert.deepEqual(story.told(), ['too-warm r-1 inactive>firing 5'])
  story.marks(1, 80)
  assert.deepEqual(story.told(), ['too-warm r-1 firing>resolved 61'], 'the first event has left')
})

test('an event neither makes readings late nor is it lost behind them', () => {
  const both = { all: [{ need: { fn: 'eventCount', type: 'door', windowMs: 60_000 }, over: 0 }, WARM] } as const
  const story = new Story([ruleDocument({ when: both })])
  story.reading(10, 9)
  story.events([{ device: 'r-1', type: 'door', digest: 1, second: 12 }], 12)
  assert.deepEqual(story.told(), ['too-warm r-1 inactive>firing 10'])
  story.reading(11, 9)
  assert.equal(story.engine.rowCounts.late, 0)
  story.events([{ device: 'r-1', type: 'door', digest: 2, second: -80 }], 13)
  assert.equal(story.engine.rowCounts.late, 1)
})

test('the anomaly of readings and of rates of events comes from the detector', () => {
  const odd = { need: { fn: 'anomaly', measurement: 'temperature' }, over: 0.5 } as const
  const rush = { need: { fn: 'eventAnomaly', type: 'door' }, over: 0.4 } as const
  const story = new Story([
    ruleDocument({ uid: 'a', name: 'odd', when: odd }),
    ruleDocument({ uid: 'b', name: 'rush', when: rush }),
  ])
  story.mark(0)
  for (const [second, value] of [4, 4, 4.5, 12].entries()) story.reading(second, value)
  assert.deepEqual(story.told(), ['odd r-1 inactive>firing 3'])
  story.events(
    Array.from({ length: 6 }, (_, i) => ({ device: 'r-1', type: 'door', digest: i, second: 4 })),
    4,
  )
  story.marks(1, 100)
  const minute = Math.ceil(START / 60_000) * 60 - START / 1000
  assert.deepEqual(story.told(), [`rush r-1 inactive>firing ${minute}`])
})

test('rows of unknown devices and lines that are no rows are counted', () => {
  const story = new Story([ruleDocument({ when: WARM })])
  story.reading(0, 9, { device: 'stranger' })
  story.engine.take({ body: Buffer.from('nonsense\n'), storedMs: START })
  const { rows, unknown, unreadable } = story.engine.rowCounts
  assert.deepEqual([rows, unknown, unreadable, story.told()], [1, 1, 1, []])
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
