import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ownerOf } from './ownership.ts'

const members = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,12}$/), { minLength: 1, maxLength: 8 })

test('a key has one owner whatever the order in which members are known', () => {
  fc.assert(fc.property(members, fc.string(), (names, key) => ownerOf(key, names) === ownerOf(key, names.toReversed())))
})

test('a member that leaves moves only its own keys', () => {
  fc.assert(
    fc.property(members, fc.string(), (names, key) => {
      const owner = ownerOf(key, names)
      const gone = names.find((name) => name !== owner)
      assert.equal(
        ownerOf(
          key,
          names.filter((name) => name !== gone),
        ),
        owner,
      )
    }),
  )
})

test('keys spread evenly over members', () => {
  const counts = new Map<string | undefined, number>()
  for (let i = 0; i < 3000; i++) {
    const owner = ownerOf(`fleet.ns.fleet-${i}`, ['a', 'b', 'c'])
    counts.set(owner, (counts.get(owner) ?? 0) + 1)
  }
  for (const count of counts.values()) assert.ok(count > 850 && count < 1150, `uneven: ${[...counts]}`)
})

test('nobody owns anything when there are no members', () => {
  assert.equal(ownerOf('fleet.ns.a', []), undefined)
})
