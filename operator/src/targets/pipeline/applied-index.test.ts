import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appliedKey } from '@fleetloom/crds/names'
import type { AppliedDocument } from '@fleetloom/shared/pipeline/applied-document'
import { aRuleReport, aShard } from '../../alert-rule/testing.ts'
import { AppliedIndex, type News } from './applied-index.ts'

const FLEET = { namespace: 'cold', name: 'reefers' }
const bytes = (report: AppliedDocument): Uint8Array => new TextEncoder().encode(JSON.stringify(report))

const listening = () => {
  const told: News[] = []
  const index = new AppliedIndex((_, news) => told.push(news))
  const put = (report: AppliedDocument, shard = 0): News | undefined => {
    index.onPut(appliedKey('alerter', FLEET, shard), bytes(report))
    return told.at(-1)
  }
  return { index, told, put }
}

test('a report tells what is new in it: conditions, devices or rules, but not that time went on', () => {
  const { put } = listening()
  const devices = { online: 3, known: 5 }
  const nothing = { conditions: false, devices: false, rules: [] }
  assert.deepEqual(put(aShard([aRuleReport()], { devices })), { conditions: true, devices: true, rules: ['r-1'] })
  assert.deepEqual(put(aShard([aRuleReport()], { devices, atMs: 9 })), nothing)
  assert.deepEqual(put(aShard([aRuleReport({ lastEvaluatedMs: 1 })], { devices })), { ...nothing, rules: ['r-1'] })
  assert.deepEqual(put(aShard([aRuleReport({ lastEvaluatedMs: 2 })], { devices })), nothing)
  const firing = aRuleReport({ lastEvaluatedMs: 2, firing: 1 })
  assert.deepEqual(put(aShard([firing], { devices })), { ...nothing, rules: ['r-1'] })
  assert.deepEqual(put(aShard([firing], { devices: { online: 2, known: 5 } })), { ...nothing, devices: true })
  assert.deepEqual(put(aShard([])), { ...nothing, devices: true, rules: ['r-1'] })
})

test('shards are those of this very fleet, and what is no report is passed over', () => {
  const { index, told, put } = listening()
  put(aShard([], { uid: 'f-0' }), 0)
  put(aShard([], { uid: 'f-1' }), 1)
  assert.deepEqual(
    index.shardsOf({ ...FLEET, uid: 'f-1' }, 3).map((report) => report?.uid),
    [undefined, 'f-1', undefined],
  )
  for (const key of ['member.alerter.a', 'alerter.cold.reefers', 'alerter.cold.reefers.x'])
    index.onPut(key, bytes(aShard([])))
  index.onPut(appliedKey('alerter', FLEET), new TextEncoder().encode('{'))
  assert.equal(told.length, 2)
  assert.equal(index.keysOf(FLEET).length, 2)
})
