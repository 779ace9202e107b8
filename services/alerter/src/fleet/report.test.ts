import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ruleDocument } from '@fleetloom/shared/rules/engine/testing/builders'
import { reportOf } from './report.ts'

const when = { need: { fn: 'last', measurement: 'temperature' }, over: 8 } as const
const judged = ruleDocument({ uid: 'judged', generation: 3, when })
const refused = ruleDocument({ uid: 'refused', generation: 2, when })
const suspended = ruleDocument({ uid: 'suspended', generation: 4, suspend: true, when })

const counts = {
  ...{ uid: 'judged', generation: 3, firing: 2, pending: 1 },
  ...{ lastEvaluatedMicros: 1_700_000_030_000_000, faults: 0, message: undefined },
}
const engine = { online: 5, known: 7, counts: () => [counts] }

test('every rule that was taken notice of is reported, judged or not', () => {
  const faults = new Map([['refused', 'unknown measurement']])
  const report = reportOf(engine, {
    uid: 'fleet',
    generation: 9,
    rules: [judged, refused, suspended],
    faults,
    missed: 0,
  })
  assert.deepEqual(report, {
    uid: 'fleet',
    generation: 9,
    state: 'Evaluating',
    observed: [],
    devices: { online: 5, known: 7 },
    rules: [
      { uid: 'judged', generation: 3, firing: 2, pending: 1, lastEvaluatedMs: 1_699_999_980_000 },
      { uid: 'refused', generation: 2, firing: 0, pending: 0, fault: 'unknown measurement' },
      { uid: 'suspended', generation: 4, firing: 0, pending: 0 },
    ],
  })
})

test('messages that were never read are told of', () => {
  const { observed } = reportOf(engine, { uid: 'fleet', generation: 9, rules: [], faults: new Map(), missed: 12 })
  assert.deepEqual(
    observed.map(({ type }) => type),
    ['AlertsBlind'],
  )
  assert.match(
    observed[0]?.message ?? '',
    /^alert rules never saw up to 12 messages: .*stream\.keep is 0s.*stream\.maxBytes.*CPU$/,
  )
})
