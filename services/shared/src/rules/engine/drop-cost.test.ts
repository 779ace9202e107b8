import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShardEngine } from './engine.ts'
import { Rule } from './rule.ts'
import { fleetDocument, ports, ruleDocument, type Tree } from './testing/builders.ts'

const DEVICES = 500
const RULES = 40
const WINDOWS = 32

const average = (minutes: number): Tree => ({
  need: { fn: 'avg', measurement: 'temperature', windowMs: minutes * 60_000 },
  over: 8,
})
const windows = Array.from({ length: WINDOWS }, (_, i) => average(i + 1)).reduce((a, b) => ({ any: [a, b] }))

/** How often it is asked whether a rule watches a device while `work` is done. */
const asked = (work: () => void): number => {
  const { watches } = Rule.prototype
  let count = 0
  Rule.prototype.watches = function (device) {
    count++
    return watches.call(this, device)
  }
  try {
    work()
    return count
  } finally {
    Rule.prototype.watches = watches
  }
}

test('to remove a rule or a device costs nothing for the rules that share no window with it', () => {
  const engine = new ShardEngine(fleetDocument(), { ports, shard: 0, eventsTable: 'cold_events' })
  for (let i = 0; i < DEVICES; i++) engine.setDevice(`r-${i}`, { labels: {} })
  for (let i = 0; i < RULES; i++)
    engine.setRule(ruleDocument({ uid: `rule-${i}`, name: `rule-${i}`, when: i === 0 ? windows : average(100 + i) }))
  const device = asked(() => engine.removeDevice('r-0'))
  assert.ok(device < RULES * RULES * 2, `${device} looks for one device`)
  const rule = asked(() => engine.removeRule('rule-0'))
  assert.ok(rule < DEVICES * RULES * 2, `${rule} looks for one rule`)
})

test('windows that another rule shares stay when one rule goes, and go with the last', () => {
  const engine = new ShardEngine(fleetDocument(), { ports, shard: 0, eventsTable: 'cold_events' })
  for (let i = 0; i < DEVICES; i++) engine.setDevice(`r-${i}`, { labels: {} })
  const uids = ['rule-1', 'rule-2']
  for (const uid of uids) engine.setRule(ruleDocument({ uid, name: uid, when: { need: { fn: 'offline' }, is: true } }))
  const bare = engine.bytes
  for (const uid of uids) engine.setRule(ruleDocument({ uid, name: uid, when: average(5), generation: 2 }))
  const both = engine.bytes
  engine.removeRule('rule-1')
  assert.ok(engine.bytes > bare && engine.bytes <= both)
  engine.removeRule('rule-2')
  assert.equal(engine.bytes, bare)
})
