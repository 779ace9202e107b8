import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { aclOfLines, linesOf } from './acl-lines.ts'

test('a subscription is two lines, and the delivery of a shared one is allowed on the filter inside', () => {
  assert.deepEqual(linesOf({ publish: ['a/b'], subscribe: ['$share/g/c/+/d', 'e'] }), [
    { acltype: 'publishClientSend', topic: 'a/b', allow: true },
    { acltype: 'subscribePattern', topic: '$share/g/c/+/d', allow: true },
    { acltype: 'subscribePattern', topic: 'e', allow: true },
    { acltype: 'publishClientReceive', topic: 'c/+/d', allow: true },
    { acltype: 'publishClientReceive', topic: 'e', allow: true },
  ])
})

test('an ACL read back is the one written, sorted and without repetition', () => {
  const filter = fc.constantFrom('a', 'a/b', 'a/+/c', '$share/g/a', '$share/g/x/+', 'x/+')
  fc.assert(
    fc.property(fc.array(filter), fc.array(filter), (publish, subscribe) => {
      const back = aclOfLines(linesOf({ publish, subscribe }))
      assert.deepEqual(back, { publish: [...new Set(publish)].sort(), subscribe: [...new Set(subscribe)].sort() })
    }),
  )
})

test('lines made by hand show up as entries that no wanted ACL holds', () => {
  const lines = [
    ...linesOf({ publish: ['a'], subscribe: ['s'] }),
    { acltype: 'publishClientReceive', topic: '#', allow: true },
    { acltype: 'publishClientSend', topic: 'b', allow: false },
  ]
  assert.deepEqual(aclOfLines(lines), {
    publish: ['a'],
    subscribe: ['!publishClientReceive allow #', '!publishClientSend deny b', 's'],
  })
})

test('a subscription whose delivery line was removed counts as missing', () => {
  const lines = linesOf({ publish: [], subscribe: ['s', 't'] }).filter(
    ({ acltype, topic }) => !(acltype === 'publishClientReceive' && topic === 's'),
  )
  assert.deepEqual(aclOfLines(lines), { publish: [], subscribe: ['!subscribePattern allow s', 't'] })
})
