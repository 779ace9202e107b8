import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import { DeviceIndex } from './device-index.ts'

const record = (fleet: string, removedAt?: string): DeviceRecord =>
  ({ namespace: 'cold', fleet, device: 'd-1', ...(removedAt ? { removedAt } : {}) }) as DeviceRecord

const ref = (name: string) => ({ namespace: 'cold', name })

test('a device is in one fleet, also when it moved unseen: both are told', () => {
  const told: string[] = []
  const index = new DeviceIndex(({ name }) => void told.push(name))
  index.put(record('a'))
  index.put(record('b'))
  assert.deepEqual([index.of(ref('a')).length, index.of(ref('b')).length], [0, 1])
  assert.deepEqual(told, ['a', 'a', 'b'])
  assert.equal(index.has('cold', 'd-1'), true)
  assert.equal(index.has('warm', 'd-1'), false)
})

test('a tombstone takes the device out, wherever it was last seen', () => {
  const index = new DeviceIndex(() => undefined)
  index.put(record('a'))
  index.put(record('b', '2026-01-01T00:00:00Z'))
  assert.equal(index.has('cold', 'd-1'), false)
  assert.deepEqual([index.of(ref('a')).length, index.of(ref('b')).length], [0, 0])
})
