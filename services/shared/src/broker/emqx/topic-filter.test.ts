import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers, emqxMatches, filterFault, holeOf, withoutGroup } from './topic-filter.ts'

test('a rule ending in + lets # through on EMQX, wherever that + stands last', () => {
  for (const [filter, rule] of [
    ['t/#', 't/+'],
    ['#', '+'],
    ['+/#', '+/+'],
    ['a/#', '+/+'],
    ['t/#', 't/+/#'],
  ] as const) {
    assert.equal(emqxMatches(filter, rule), true, `${filter} under ${rule}`)
    assert.equal(covers(rule, filter), false, `${rule} does not cover ${filter}`)
  }
  assert.equal(emqxMatches('t/#', 't/+/x'), false)
})

test('a filter falls under a rule only as a whole', () => {
  assert.equal(emqxMatches('w/a/+', 'w/a/#'), true)
  assert.equal(emqxMatches('w/#', 'w/a/#'), false)
  assert.equal(emqxMatches('w/+/1', 'w/a/#'), false)
  assert.equal(emqxMatches('w/a', 'w/a/#'), true)
})

test('wildcards at the root match nothing that begins with $', () => {
  assert.equal(emqxMatches('$SYS/brokers', '#'), false)
  assert.equal(emqxMatches('$SYS/brokers', '+/brokers'), false)
  assert.equal(emqxMatches('$SYS/brokers', '$SYS/#'), true)
})

test('the hole of a rule is one filter, none, or more than can be named', () => {
  assert.deepEqual(holeOf('t/+'), { kind: 'one', filter: 't/#' })
  assert.deepEqual(holeOf('+'), { kind: 'one', filter: '#' })
  assert.deepEqual(holeOf('t/+/#'), { kind: 'one', filter: 't/#' })
  assert.deepEqual(holeOf('+/+'), { kind: 'many' })
  assert.deepEqual(holeOf('a/+/+/#'), { kind: 'many' })
  assert.deepEqual(holeOf('t/+/x'), { kind: 'none' })
  assert.deepEqual(holeOf('t/#'), { kind: 'none' })
})

test('a shared subscription is judged by its inner filter', () => {
  assert.equal(withoutGroup('$share/g/a/+'), 'a/+')
  assert.equal(withoutGroup('a/+'), 'a/+')
})

test('a filter that would mean something else to EMQX is refused', () => {
  for (const bad of [
    '',
    `a/\${username}/b`,
    'eq a',
    '$share/g/eq a',
    'a/#/b',
    'a+/b',
    'a/b#',
    '$SYS/#',
    '$queue/a',
    '$share/g/$SYS/#',
    'a\u0000b',
    'x'.repeat(1_025),
  ])
    assert.notEqual(filterFault(bad), undefined, JSON.stringify(bad))
  for (const good of ['a', 'a/b', 'a/+/c', 'a/#', '#', '+', '/a', 'a//b', '$share/g/a/+'])
    assert.equal(filterFault(good), undefined, good)
})
