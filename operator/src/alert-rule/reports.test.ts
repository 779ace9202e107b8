import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultOf, missingReceivers, shardsBehind, shardsJudging, shownOf } from './reports.ts'
import { aRuleReport, aShard } from './testing.ts'

const at = (text: string): number => Date.parse(`2026-01-01T${text}Z`)
const NOON = '2026-01-01T12:00:00.000Z'

test('the numbers of all shards are added up, and the latest time is when it was last judged', () => {
  const shards = [
    aShard([aRuleReport({ firing: 2, pending: 1, lastEvaluatedMs: at('12:00:00') })]),
    aShard([aRuleReport({ uid: 'another', firing: 9 }), aRuleReport({ firing: 1, lastEvaluatedMs: at('11:00:00') })]),
    undefined,
  ]
  assert.deepEqual(shownOf(shards, 'r-1', undefined), { firing: 3, pending: 1, lastEvaluated: NOON })
})

test('a rule that nobody judges keeps what it showed, and shows nothing before', () => {
  const previous = { firing: 1, pending: 0, lastEvaluated: NOON }
  assert.deepEqual(shownOf([undefined, aShard([])], 'r-1', previous), previous)
  assert.deepEqual(shownOf([undefined], 'r-1', undefined), {})
  assert.deepEqual(shownOf([aShard([aRuleReport()])], 'r-1', undefined), { firing: 0, pending: 0 })
})

test('nothing fires or is about to once there is no fleet, whatever was shown before', () => {
  const previous = { firing: 3, pending: 1, lastEvaluated: NOON }
  assert.deepEqual(shownOf([], 'r-1', previous), { firing: 0, pending: 0, lastEvaluated: NOON })
  assert.deepEqual(shownOf([], 'r-1', undefined), { firing: 0, pending: 0 })
})

test('time alone is news once a minute, and a change of numbers brings its own time', () => {
  const previous = { firing: 1, pending: 0, lastEvaluated: NOON }
  const shown = (time: string, firing = 1) =>
    shownOf([aShard([aRuleReport({ firing, lastEvaluatedMs: at(time) })])], 'r-1', previous)
  assert.deepEqual(shown('12:00:59'), previous)
  assert.deepEqual(shown('12:01:00'), { ...previous, lastEvaluated: '2026-01-01T12:01:00.000Z' })
  assert.deepEqual(shown('12:00:01', 2), { firing: 2, pending: 0, lastEvaluated: '2026-01-01T12:00:01.000Z' })
})

test('a rule is judged once every shard has its generation, and a fault of one is the fault', () => {
  const rule = { uid: 'r-1', generation: 2 }
  const shards = [aShard([aRuleReport()]), aShard([aRuleReport({ generation: 1 })]), aShard([]), undefined]
  assert.deepEqual(shardsBehind(shards, rule), [1, 2, 3])
  assert.deepEqual(shardsBehind([aShard([aRuleReport({ generation: 3 })])], rule), [])
  assert.equal(faultOf([aShard([aRuleReport()]), aShard([aRuleReport({ fault: 'too many' })])], 'r-1'), 'too many')
  assert.equal(faultOf([aShard([aRuleReport({ uid: 'another', fault: 'x' })])], 'r-1'), undefined)
})

test('a rule is removed once every shard has said so; one that says nothing of it has not', () => {
  const removed = aShard([aRuleReport({ removed: true })])
  assert.deepEqual(shardsJudging([removed, aShard([aRuleReport()]), aShard([]), undefined], 'r-1'), [1, 2, 3])
  assert.deepEqual(shardsJudging([removed, removed], 'r-1'), [])
})

test('a rule that notifies the Alertmanager says so where the alerter knows none', () => {
  const [without, having, silent] = [aShard([], { alertmanagers: 0 }), aShard([], { alertmanagers: 1 }), aShard([])]
  const typesOf = (notify: object, shard: typeof without) =>
    missingReceivers({ notify: [notify] }, [shard, undefined]).map(({ type }) => type)
  assert.deepEqual(typesOf({ alertmanager: {} }, without), ['ReceiverMissing'])
  for (const shard of [having, silent]) assert.deepEqual(typesOf({ alertmanager: {} }, shard), [])
  assert.deepEqual(typesOf({ mqtt: { topic: 't' } }, without), [])
})
