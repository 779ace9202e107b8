import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { presenceAsker, presenceFrom } from './presence.ts'

const DEVICES = ['a', 'b', 'c', 'd', 'constructor']

test('a device is shown as the owner of its shard knows it, and a shard that is silent is named', () => {
  const shards = 2
  const [mine, others] = [
    DEVICES.filter((id) => shardOf(id, shards) === 0),
    DEVICES.filter((id) => shardOf(id, shards)),
  ]
  assert.ok(mine.length > 0 && others.length > 0)
  const answer = { onlineDevices: { [mine[0] as string]: true }, lastSeenMs: { [mine[0] as string]: 0 } }
  const presence = presenceFrom(new Map([[0, answer]]), shards, DEVICES)
  assert.equal(presence.unavailable, 'no alerter answered in time for shard 1')
  for (const device of DEVICES)
    assert.deepEqual(
      presence.of(device),
      device === mine[0] ? { online: true, lastSeen: '1970-01-01T00:00:00.000Z' } : {},
      device,
    )
  assert.equal(presenceFrom(new Map([[0, answer]]), shards, mine).unavailable, undefined)
})

test('nothing is asked for an empty page, and a fault becomes a reason', async () => {
  const find = () => Promise.reject(new Error('no pipeline'))
  const ask = presenceAsker({ connection: undefined as never, fleets: { find } })
  assert.equal((await ask({ namespace: 'ns', name: 'f' }, [])).unavailable, undefined)
  assert.equal((await ask({ namespace: 'ns', name: 'f' }, ['a'])).unavailable, 'no pipeline')
})
