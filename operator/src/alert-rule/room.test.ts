import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_RULES_PER_FLEET } from '@fleetloom/shared/pipeline/applied-document'
import { fullText, hasNoRoom } from './room.ts'
import { aRule, aRuleReport, aShard } from './testing.ts'

const FLEET = { namespace: 'cold', name: 'reefers' }
const published = (count: number, fleet = FLEET.name) =>
  Array.from({ length: count }, (_, i) => ({ namespace: 'cold', name: `rule-${i}`, fleet }))
const { metadata: rule } = aRule()
const isRefused = (documents: ReturnType<typeof published>, reported = 'another') =>
  hasNoRoom(rule, FLEET, { published: documents, shards: [undefined, aShard([aRuleReport({ uid: reported })])] })

test('the rule after the last that the alerter can report is refused, in words', () => {
  assert.equal(isRefused(published(MAX_RULES_PER_FLEET - 1)), false)
  assert.equal(isRefused(published(MAX_RULES_PER_FLEET)), true)
  assert.equal(
    fullText(FLEET),
    'fleet cold/reefers has 200 rules, which is the most; remove one, or put two into one with ||',
  )
})

test('a rule does not count itself, nor the rules of other fleets, and one that is judged stays', () => {
  const withItself = [...published(MAX_RULES_PER_FLEET - 1), { ...FLEET, name: rule.name, fleet: FLEET.name }]
  assert.equal(isRefused(withItself), false)
  assert.equal(isRefused([...published(MAX_RULES_PER_FLEET - 1), ...published(9, 'halls')]), false)
  assert.equal(isRefused(published(MAX_RULES_PER_FLEET), rule.uid), false)
})
