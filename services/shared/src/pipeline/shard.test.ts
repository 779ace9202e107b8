import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shardOf } from './shard.ts'

test('a device keeps its shard in every version', () => {
  assert.deepEqual(
    ['reefer-1', 'reefer-2', 'a', 'host.local', 'Z9'].map((device) => [shardOf(device, 4), shardOf(device, 64)]),
    [
      [3, 59],
      [0, 28],
      [3, 51],
      [1, 25],
      [3, 19],
    ],
  )
})

test('ids that differ in the last digits spread over the shards', () => {
  const counts = new Array(4).fill(0)
  for (let i = 0; i < 10_000; i++) counts[shardOf(`device-${i}`, 4)]++
  for (const count of counts) assert.ok(count > 2300 && count < 2700, `uneven: ${counts}`)
})
