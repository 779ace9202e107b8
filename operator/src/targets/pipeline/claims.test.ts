import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overlaps } from '@fleetloom/crds/topics'
import fc from 'fast-check'
import { type Claim, ClaimIndex } from './claims.ts'

/** Filters as fleets claim them: a literal first, few words so that they meet often. */
const filter = fc
  .tuple(
    fc.constantFrom('fleets', 'sensors'),
    fc.array(fc.constantFrom('a', 'b', '+'), { maxLength: 4 }),
    fc.constantFrom('', '/#', '/x'),
  )
  .map(([root, levels, end]) => [root, ...levels].join('/') + end)

const claimOf = (one: string): Claim => ({ filter: one, namespace: 'ns', name: 'fleet' })

test('whatever overlaps with a filter is near it', () => {
  fc.assert(
    fc.property(fc.array(filter, { maxLength: 30 }), filter, (claimed, asked) => {
      const index = new ClaimIndex()
      for (const [i, one] of claimed.entries()) index.put(String(i), claimOf(one))
      const near = [...index.near(asked)].map((one) => one.filter)
      for (const one of claimed) if (overlaps(one, asked)) assert.ok(near.includes(one), `${one} of ${near}`)
    }),
    { numRuns: 2_000 },
  )
})

test('a claim that is gone is near nothing', () => {
  fc.assert(
    fc.property(filter, filter, (claimed, asked) => {
      const index = new ClaimIndex()
      index.put('k', claimOf(claimed))
      index.delete('k', claimOf(claimed))
      assert.deepEqual([...index.near(asked)], [])
    }),
  )
})
