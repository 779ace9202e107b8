import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyOf, fleetDocument, lateFleet, ruleDocument } from './testing/builders.ts'
import { OFFLINE, START, Story, WARM } from './testing/story.ts'

const ABSENT = { need: { fn: 'absent', measurement: 'temperature', windowMs: 60_000 }, is: true } as const

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

test('what time did to a device whose readings are far apart is judged at its instant, in whatever order they come', () => {
  for (const order of [
    [0, 25, 30],
    [0, 30, 25],
  ]) {
    const story = new Story([ruleDocument({ when: WARM, forMs: 1500 })], lateFleet(10_000))
    for (const second of order) story.reading(second, 9)
    story.reading(60, 9)
    assert.deepEqual(story.told(), ['too-warm r-1 inactive>pending 0', 'too-warm r-1 pending>firing 1.5'])
  }
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

test('rows of unknown devices and lines that are no rows are counted', () => {
  const story = new Story([ruleDocument({ when: WARM })])
  story.reading(0, 9, { device: 'stranger' })
  story.engine.take({ body: Buffer.from('nonsense\n'), storedMs: START })
  const { rows, unknown, unreadable } = story.engine.rowCounts
  assert.deepEqual([rows, unknown, unreadable, story.told()], [1, 1, 1, []])
})
