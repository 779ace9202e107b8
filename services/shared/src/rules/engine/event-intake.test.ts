import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ruleDocument } from './testing/builders.ts'
import { START, Story, WARM } from './testing/story.ts'

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

test('the events that tell of presence are counted, but nobody is heard by them', () => {
  const told = { need: { fn: 'eventCount', type: 'device_offline', windowMs: 60_000 }, over: 0 } as const
  const story = new Story([ruleDocument({ when: told })])
  story.mark(0)
  story.events([{ device: 'r-1', type: 'device_offline', digest: 1, second: 1 }], 1)
  assert.deepEqual([story.told(), story.engine.online], [['too-warm r-1 inactive>firing 1'], 0])
  story.events([{ device: 'r-1', type: 'door', digest: 2, second: 2 }], 2)
  assert.equal(story.engine.online, 1)
})

const BURST = { need: { fn: 'eventCount', type: 'login', windowMs: 10_000 }, over: 20 } as const

test('events count at their own time although they come together, and before or behind their readings', () => {
  const logins = (spacing: number, from: number, digest: number) =>
    Array.from({ length: 25 }, (_, i) => ({
      ...{ device: 'r-1', type: 'login', digest: digest + i },
      second: from + i * spacing,
    }))
  for (const readingAt of [0, 60]) {
    const story = new Story([ruleDocument({ when: BURST })])
    story.mark(0)
    story.reading(readingAt, 5)
    story.events(logins(2, 2, 1), 60)
    assert.deepEqual(story.told(), [], 'in no ten seconds there are more than six')
    assert.equal(story.engine.rowCounts.late, readingAt === 0 ? 0 : 25)
    story.events(logins(0.2, 50.5, 100), 61)
    assert.deepEqual(story.told(), [`too-warm r-1 inactive>firing ${readingAt}`])
    story.reading(70, 5)
    story.reading(76, 5)
    assert.deepEqual(story.told(), ['too-warm r-1 firing>resolved 61.166667'])
  }
})

test('an event of another clock counts when it is stored', () => {
  const story = new Story([ruleDocument({ when: { ...BURST, over: 1 } })])
  story.marks(0, 10)
  const behind = -3600
  story.reading(behind, 5, { storedAt: 10 })
  const event = (digest: number, second: number) =>
    story.events([{ device: 'r-1', type: 'login', digest, second }], second)
  event(1, 12)
  event(2, 14)
  assert.deepEqual(story.told(), [`too-warm r-1 inactive>firing ${behind}`])
  story.marks(11, 40)
  assert.deepEqual(story.told(), [`too-warm r-1 firing>resolved ${behind + 12}`])
})

test('the first reading brings its own clock although an event came before it', () => {
  const told = { need: { fn: 'eventCount', type: 'device_online', windowMs: 60_000 }, over: 5 } as const
  const story = new Story([ruleDocument({ when: { any: [told, WARM] } })])
  story.mark(0)
  story.events([{ device: 'r-1', type: 'device_online', digest: 1, second: 10 }], 10)
  for (const [second, value] of [9, 5, 9, 5].entries()) story.reading(second, value, { storedAt: 10 + second })
  assert.deepEqual(story.told(), [
    'too-warm r-1 inactive>firing 0',
    'too-warm r-1 firing>resolved 1',
    'too-warm r-1 inactive>firing 2',
    'too-warm r-1 firing>resolved 3',
  ])
})
