import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Checkpoint, CheckpointStore, Overtaken } from '@fleetloom/alerter/checkpoint/store'
import { namesOf } from '@fleetloom/crds/names'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { CHUNK_BYTES } from '@fleetloom/shared/rules/engine/snapshot'
import type { KV } from '@nats-io/kv'
import { type NatsServer, startNats } from '../kit/nats.ts'

const bucket = namesOf().buckets.alerts

let server: NatsServer
let nats: Nats
let kv: KV
let store: CheckpointStore

before(async () => {
  server = await startNats()
  nats = await connectNats('test', server.settings('admin'))
  await nats.bucket(bucket)
  await nats[Symbol.asyncDispose]()
  nats = await connectNats('test', server.settings('alerter'))
  kv = await nats.bucket(bucket)
  store = new CheckpointStore({ kv, jsm: nats.jsm, bucket })
})
after(async () => {
  await nats[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const fleetOf = (name: string) => ({ namespace: 'cold', name })

const checkpoint = (sequence: number, lengths: readonly number[]): Checkpoint => ({
  ...{ streamCreated: '2026-01-01T00:00:00Z', sequence },
  chunks: lengths.map((length, i) => Buffer.alloc(length, sequence + i)),
})

const plain = ({ chunks, ...position }: Checkpoint) => ({
  ...position,
  chunks: chunks.map((chunk) => Buffer.from(chunk).toString('base64')),
})

const keysOf = async (fleet: string): Promise<string[]> =>
  (await Array.fromAsync(await kv.keys(`checkpoint.cold.${fleet}.>`))).sort()

const assertStored = async (fleet: string, expected: Checkpoint, revision: number): Promise<void> => {
  const found = await store.take(fleetOf(fleet), 0)
  assert.ok(found.checkpoint)
  assert.deepEqual({ ...plain(found.checkpoint), revision: found.revision }, { ...plain(expected), revision })
}

test('a checkpoint is read as it was written, and the one before it leaves nothing behind', async () => {
  assert.deepEqual(await store.take(fleetOf('first'), 0), { revision: 0 })
  const one = checkpoint(
    1,
    Array.from({ length: 20 }, () => CHUNK_BYTES),
  )
  const revision = await store.write(fleetOf('first'), 0, one, { before: 0 })
  await assertStored('first', one, revision)
  const two = checkpoint(2, [10, 0, 5])
  await assertStored('first', two, await store.write(fleetOf('first'), 0, two, { before: revision }))
  assert.equal((await keysOf('first')).length, 4)
})

test('who lost the shard to another is told so, and has changed nothing', async () => {
  const fleet = fleetOf('lost')
  const first = await store.write(fleet, 0, checkpoint(1, [5]), { before: 0 })
  const second = await store.write(fleet, 0, checkpoint(2, [6]), { before: first })
  await assert.rejects(store.write(fleet, 0, checkpoint(3, [7]), { before: first }), Overtaken)
  await assert.rejects(store.write(fleet, 0, checkpoint(3, [7]), { before: 0 }), Overtaken)
  await assertStored('lost', checkpoint(2, [6]), second)
  assert.equal((await keysOf('lost')).length, 2)
})

test('a commit of which nobody knows whether it stands keeps its chunks', async () => {
  const unsure = Object.create(kv, {
    create: {
      value: async (key: string, value: string) => {
        await kv.create(key, value)
        throw new Error('timeout')
      },
    },
  }) as KV
  const shaky = new CheckpointStore({ kv: unsure, jsm: nats.jsm, bucket })
  await assert.rejects(shaky.write(fleetOf('unsure'), 0, checkpoint(1, [5, 6]), { before: 0 }), /timeout/)
  const { revision } = await store.take(fleetOf('unsure'), 0)
  await assertStored('unsure', checkpoint(1, [5, 6]), revision)
})

test('a checkpoint that lost a chunk, or that is of another version, is written over; what a crash left goes', async () => {
  const fleet = fleetOf('broken')
  await store.write(fleet, 0, checkpoint(1, [5, 6]), { before: 0 })
  const [, chunk = ''] = await keysOf('broken')
  await kv.delete(chunk)
  const broken = await store.take(fleet, 0)
  assert.equal(broken.checkpoint, undefined)
  await store.write(fleet, 0, checkpoint(2, [5]), { before: broken.revision })
  await kv.put('checkpoint.cold.broken.0', JSON.stringify({ version: '9.0' }))
  await kv.put('checkpoint.cold.broken.0.abc.0', 'left by a crash')
  const foreign = await store.take(fleet, 0)
  assert.equal(foreign.checkpoint, undefined)
  await assertStored(
    'broken',
    checkpoint(3, [5]),
    await store.write(fleet, 0, checkpoint(3, [5]), { before: foreign.revision }),
  )
  assert.equal((await keysOf('broken')).length, 2)
})

test('the shards that have a checkpoint are listed, and one that is removed leaves nothing and can begin anew', async () => {
  const fleet = fleetOf('listed')
  for (const shard of [0, 3]) await store.write(fleet, shard, checkpoint(1, [5, 6]), { before: 0 })
  const listed = async () => (await store.list()).filter(({ fleet: { name } }) => name === 'listed')
  assert.deepEqual(
    (await listed()).sort((a, b) => a.shard - b.shard),
    [0, 3].map((shard) => ({ fleet, shard })),
  )
  await store.remove(fleet, 0)
  assert.deepEqual(await listed(), [{ fleet, shard: 3 }])
  assert.deepEqual(await store.take(fleet, 0), { revision: 0 })
  await assertStored('listed', checkpoint(2, [5]), await store.write(fleet, 0, checkpoint(2, [5]), { before: 0 }))
})

test("a shard is taken up once it was let go of; then the checkpoint is nobody's last one any more", async () => {
  const fleet = fleetOf('handed-over')
  const { signal } = new AbortController()
  await store.untilLetGo(fleet, 0, signal)
  const first = await store.write(fleet, 0, checkpoint(1, [5]), { before: 0 })
  let isFree = false
  const free = store.untilLetGo(fleet, 0, signal).then(() => {
    isFree = true
  })
  const second = await store.write(fleet, 0, checkpoint(2, [5]), { before: first })
  await sleep(300)
  assert.equal(isFree, false)
  const last = await store.write(fleet, 0, checkpoint(3, [5]), { before: second, isLast: true })
  await free
  const startMs = performance.now()
  await store.untilLetGo(fleet, 0, signal)
  assert.ok(performance.now() - startMs < 1_000)
  const { revision } = await store.take(fleet, 0)
  await assert.rejects(store.write(fleet, 0, checkpoint(4, [5]), { before: last }), Overtaken)
  await assertStored('handed-over', checkpoint(3, [5]), revision)
  const stop = new AbortController()
  const waits = store.untilLetGo(fleet, 0, stop.signal)
  stop.abort()
  await waits
})

test('a checkpoint that is given up changes nothing', async () => {
  const fleet = fleetOf('given-up')
  const revision = await store.write(fleet, 0, checkpoint(1, [5]), { before: 0 })
  const signal = AbortSignal.abort(new Error('given up'))
  const writing = { before: revision, isHurried: () => false, signal }
  await assert.rejects(store.write(fleet, 0, checkpoint(2, [6, 6]), writing), /given up/)
  await assertStored('given-up', checkpoint(1, [5]), revision)
  await store.write(fleet, 0, checkpoint(3, [7]), { before: revision })
  assert.equal((await keysOf('given-up')).length, 2)
})
