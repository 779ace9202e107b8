import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Acl } from '../broker.ts'
import {
  aclFault,
  aclOfRules,
  isMarked,
  isRevoking,
  isSubscribable,
  markOf,
  type Rule,
  rulesOf,
  sameRules,
  takesAway,
} from './rules.ts'
import { covers, emqxMatches, holeOf, withoutGroup } from './topic-filter.ts'

const MARK = markOf('fleetloom')
const ACL: Acl = {
  publish: ['fleets/ns/f/d/telemetry'],
  subscribe: ['fleets/ns/f/d/commands', 'fleets/ns/f/d/config/#'],
}

/** EMQX's judgement of a record: the first rule that matches decides, no match is denied; `$share/g/F` is asked as F. */
const judge = (rules: readonly Rule[], action: 'publish' | 'subscribe', asked: string): boolean => {
  const topic = withoutGroup(asked)
  const matches = ({ topic: rule }: Rule): boolean =>
    rule.startsWith('eq ') ? rule.slice(3) === topic : emqxMatches(topic, rule)
  return (
    rules.find((rule) => (rule.action === action || rule.action === 'all') && matches(rule))?.permission === 'allow'
  )
}

const level = fc.constantFrom('a', 'b', '$x', '')
const inner = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'b') }, { weight: 2, arbitrary: fc.constant('+') })
const filter = fc
  .tuple(fc.array(inner, { minLength: 0, maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen || levels.length === 0 ? ['#'] : [])].join('/'))
const shared = filter.map((one) => `$share/g/${one}`)
const acl = fc.record({
  publish: fc.uniqueArray(filter, { maxLength: 3 }),
  subscribe: fc.uniqueArray(fc.oneof({ weight: 4, arbitrary: filter }, shared), { maxLength: 4 }),
})
const topic = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'))

test('no subscription outside the ACL is let through, whatever its wildcards', () => {
  fc.assert(
    fc.property(acl, fc.oneof(filter, shared, topic), (granted, asked) => {
      if (judge(rulesOf(granted, MARK), 'subscribe', asked)) assert.ok(isSubscribable(asked, granted), asked)
    }),
    { numRuns: 20_000 },
  )
})

test('what a subscription that is let through brings, the ACL covers', () => {
  fc.assert(
    fc.property(acl, filter, topic, (granted, asked, published) => {
      if (!judge(rulesOf(granted, MARK), 'subscribe', asked) || !emqxMatches(published, asked)) return
      assert.ok(granted.subscribe.some((right) => emqxMatches(published, withoutGroup(right))))
    }),
    { numRuns: 20_000 },
  )
})

test('every filter of the ACL can be subscribed, and what lies below it unless the hole has no number', () => {
  fc.assert(
    fc.property(acl, filter, (granted, asked) => {
      const rules = rulesOf(granted, MARK)
      for (const right of granted.subscribe) assert.ok(judge(rules, 'subscribe', right), right)
      const plain = granted.subscribe.map(withoutGroup).filter((right) => holeOf(right).kind !== 'many')
      if (plain.some((right) => covers(right, asked))) assert.ok(judge(rules, 'subscribe', asked), asked)
    }),
    { numRuns: 10_000 },
  )
})

test('publishing is allowed on the topics of the ACL and on no other', () => {
  fc.assert(
    fc.property(acl, topic, (granted, asked) => {
      const expected = granted.publish.some((right) => covers(right, asked))
      assert.equal(judge(rulesOf(granted, MARK), 'publish', asked), expected, asked)
    }),
    { numRuns: 10_000 },
  )
})

test('an ACL reads back as it was written, shared groups too', () => {
  fc.assert(fc.property(acl, (granted) => assert.deepEqual(aclOfRules(rulesOf(granted, MARK), MARK), { ...granted })))
})

test('without the denials the holes of EMQX are open: the model sees them', () => {
  const open = rulesOf({ publish: [], subscribe: ['t/+', '+/+'] }, MARK).filter(
    ({ permission }) => permission === 'allow',
  )
  assert.equal(judge(open, 'subscribe', 't/#'), true)
  assert.equal(
    judge(
      open.map((rule) => ({ ...rule, topic: rule.topic.replace('eq ', '') })),
      'subscribe',
      'a/#',
    ),
    true,
  )
})

test('a record begins with a rule that names the installation and matches nothing else', () => {
  const rules = rulesOf(ACL, MARK)
  assert.deepEqual(rules[0], { topic: 'eq fleetloom:fleetloom', permission: 'deny', action: 'all' })
  assert.equal(isMarked(rules, MARK), true)
  assert.equal(isMarked(rules, markOf('other')), false)
  assert.equal(isMarked([], MARK), false)
})

test('a user named + gets no wildcard: names are literal, and such a filter is no whole level', () => {
  assert.equal(
    aclFault({ publish: [`u/\${username}/up`], subscribe: [] }),
    `publish "u/\${username}/up" must not hold control characters or \${, nor begin with "eq "`,
  )
  assert.equal(aclFault(ACL), undefined)
  assert.match(aclFault({ publish: ['$share/g/a'], subscribe: [] }) ?? '', /nobody publishes/)
})

test('a record that was changed by hand shows as what nobody wants', () => {
  const rules = [...rulesOf(ACL, MARK), { topic: '#', permission: 'allow', action: 'all' } as const]
  assert.deepEqual(aclOfRules(rules, MARK), { ...ACL, subscribe: [...ACL.subscribe, '!rules changed by hand'] })
  const weaker = rulesOf(ACL, MARK).map((rule) => ({ ...rule, qos: [0] }))
  assert.equal(isMarked(weaker, MARK), false)
})

test('what EMQX adds to a rule that it gives back changes nothing', () => {
  const back = rulesOf(ACL, MARK).map((rule) => ({ ...rule, qos: [0, 1, 2], retain: 'all' as const }))
  assert.equal(sameRules(back, rulesOf(ACL, MARK)), true)
  assert.deepEqual(aclOfRules(back, MARK), ACL)
})

test('a revocation that was not finished shows as drift', () => {
  const rules = rulesOf(ACL, MARK, true)
  assert.equal(isRevoking(rules, MARK), true)
  assert.deepEqual(aclOfRules(rules, MARK).subscribe.at(-1), '!revocation not finished')
})

test('rights are taken away where the new ACL does not cover the old', () => {
  assert.equal(takesAway(ACL, ACL), false)
  assert.equal(takesAway(ACL, { ...ACL, subscribe: ['fleets/ns/f/d/#'] }), false)
  assert.equal(takesAway(ACL, { ...ACL, subscribe: [] }), true)
  assert.equal(takesAway(ACL, { ...ACL, publish: [] }), true)
})
