import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { createLogger } from '@fleetloom/shared/process/logger'
import { Orphans } from './orphans.ts'
import type { AlerterParts } from './parts.ts'

const fleetOf = (name: string) => ({ namespace: 'cold', name })

type Batch = { readonly callback: (done: object | null) => void }

/** Looks as fast as it can; `known` are keys of fleets. */
const start = (known: Set<string>, owns: (key: string) => boolean = () => true) => {
  const removed: string[] = []
  let looks = 0
  const left = [
    { fleet: fleetOf('gone'), shard: 0 },
    { fleet: fleetOf('there'), shard: 0 },
  ]
  const nothing = { direct: { getBatch: async (_: string, { callback }: Batch) => callback({}) } }
  const parts = {
    ...{ names: namesOf(), nats: { jsm: nothing } },
    log: createLogger('test', 'silent'),
    checkpoints: {
      list: async () => {
        looks++
        return left.filter(({ fleet }) => !removed.includes(fleet.name))
      },
      take: async () => ({ revision: 1 }),
      remove: async ({ name }: { name: string }) => void removed.push(name),
      write: () => Promise.reject(new Error('nothing is written')),
    },
  } as unknown as AlerterParts
  const orphans = new Orphans({ parts, isKnown: (key) => known.has(key), owns }, 1)
  const untilLooks = async (count: number): Promise<void> => {
    const target = looks + count
    while (looks < target) await new Promise((resolve) => setImmediate(resolve))
  }
  return { removed, untilLooks, [Symbol.asyncDispose]: () => orphans[Symbol.asyncDispose]() }
}

test('the checkpoint of a fleet that is gone is removed at the second look, those of others stay', async () => {
  await using one = start(new Set(['fleet.cold.there']))
  await one.untilLooks(1)
  assert.deepEqual(one.removed, [])
  await one.untilLooks(3)
  assert.deepEqual(one.removed, ['gone'])
})

test('a fleet whose document is back at the second look keeps its checkpoint', async () => {
  const known = new Set(['fleet.cold.there'])
  await using one = start(known)
  await one.untilLooks(1)
  known.add('fleet.cold.gone')
  await one.untilLooks(3)
  assert.deepEqual(one.removed, [])
})

test('what another replica owns is left to it', async () => {
  await using one = start(new Set(), (key) => key === 'fleet.cold.there#0')
  await one.untilLooks(4)
  assert.deepEqual(one.removed, ['there'])
})
