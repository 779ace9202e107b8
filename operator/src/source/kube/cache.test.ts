import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cache } from './cache.ts'
import type { CustomObject } from './objects.ts'

const fleet = (name: string, resourceVersion: string, generation = 1): CustomObject => ({
  metadata: { namespace: 'ns', name, uid: `uid-${name}`, resourceVersion, generation },
  spec: {},
})

const cacheOf = (...objects: readonly CustomObject[]) => {
  const cache = new Cache('DeviceFleet')
  cache.onList(objects)
  const told: string[] = []
  cache.onChange = (_, { name }) => void told.push(name)
  const held = () => cache.list().map(({ metadata: { name, generation } }) => `${name}@${generation}`)
  return { cache, told, held }
}

test('an older event does not undo what a newer answer said', () => {
  const { cache, told, held } = cacheOf(fleet('a', '20', 2))
  cache.onPut(fleet('a', '10', 1))
  assert.deepEqual([held(), told], [['a@2'], []])
})

test('a list is the truth, also where its versions are older', () => {
  const { cache, told, held } = cacheOf(fleet('a', '20', 2), fleet('b', '21', 1))
  cache.onList([fleet('a', '10', 1)])
  assert.deepEqual([held(), told], [['a@1'], ['b', 'a']])
})

test('a list that says nothing new tells nobody', () => {
  const { cache, told } = cacheOf(fleet('a', '20', 2))
  cache.onList([fleet('a', '30', 2)])
  assert.deepEqual(told, [])
})

test('the answer to a write that comes behind the end of its object does not bring it back', () => {
  const { cache, told, held } = cacheOf(fleet('a', '20'), fleet('b', '21'))
  cache.onAnswer(fleet('b', '22', 2))
  cache.onDelete(fleet('a', '23'))
  cache.onAnswer(fleet('a', '22', 2))
  assert.deepEqual([held(), told], [['b@2'], ['b', 'a']])
})
