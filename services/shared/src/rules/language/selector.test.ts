import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Selector } from '../../alerts/rule-document.ts'
import { selectorMatches } from './selector.ts'

const LABELS = { zone: 'a', cargo: 'vaccine', empty: '' }

const requires = (key: string, operator: Selector['matchExpressions'][number]['operator'], ...values: string[]) =>
  selectorMatches({ matchLabels: {}, matchExpressions: [{ key, operator, values }] }, LABELS)

test('an empty selector takes every device', () => {
  for (const labels of [LABELS, {}])
    assert.equal(selectorMatches({ matchLabels: {}, matchExpressions: [] }, labels), true)
})

test('each requirement means what it means in Kubernetes', () => {
  assert.deepEqual(
    [requires('zone', 'In', 'b', 'a'), requires('zone', 'In', 'b'), requires('none', 'In', 'a')],
    [true, false, false],
  )
  assert.deepEqual(
    [requires('zone', 'NotIn', 'a'), requires('zone', 'NotIn', 'b'), requires('none', 'NotIn', 'a')],
    [false, true, true],
  )
  assert.deepEqual([requires('empty', 'Exists'), requires('none', 'Exists')], [true, false])
  assert.deepEqual([requires('empty', 'DoesNotExist'), requires('none', 'DoesNotExist')], [false, true])
  assert.deepEqual([requires('constructor', 'Exists'), requires('constructor', 'DoesNotExist')], [false, true])
})

test('all requirements must hold', () => {
  const select = (cargo: string, zone: string) =>
    selectorMatches(
      { matchLabels: { cargo }, matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] },
      LABELS,
    )
  assert.deepEqual([select('vaccine', 'a'), select('vaccine', 'b'), select('fish', 'a')], [true, false, false])
})
