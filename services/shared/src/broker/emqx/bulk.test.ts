import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bisect, chunksOfBytes, mapSome, slots } from './bulk.ts'

test('no more run at once than there are slots', async () => {
  const run = slots(3)
  let running = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
  }
  await Promise.all(Array.from({ length: 20 }, () => run(work)))
  assert.equal(most, 3)
})

test('a slot is given back by work that fails', async () => {
  const run = slots(1)
  await assert.rejects(run(() => Promise.reject(new Error('no'))))
  assert.equal(await run(async () => 'yes'), 'yes')
})

test('results stand in the order of the items, and nothing is begun after a failure', async () => {
  assert.deepEqual(await mapSome([3, 1, 2], 2, async (n) => n * 10), [30, 10, 20])
  const begun: number[] = []
  const work = async (n: number) => {
    begun.push(n)
    if (n === 2) throw new Error('two')
  }
  await assert.rejects(mapSome([1, 2, 3, 4, 5], 1, work), { message: 'two' })
  assert.deepEqual(begun, [1, 2])
})

test('a request holds no more bytes than it may, and at least one item', () => {
  const chunks = chunksOfBytes(['a'.repeat(10), 'b'.repeat(10), 'c'.repeat(100), 'd'], 30)
  assert.deepEqual(
    chunks.map((chunk) => chunk.map((one) => one[0]).join('')),
    ['ab', 'c', 'd'],
  )
})

test('of a batch that is refused as a whole all but the culprits are sent', async () => {
  const sent: number[] = []
  const send = async (items: readonly number[]) => {
    if (items.some((n) => n % 7 === 0)) throw new RangeError('seven')
    sent.push(...items)
  }
  const refused = await bisect([1, 7, 3, 4, 14, 6], send, (error) => error instanceof RangeError)
  assert.deepEqual([...refused.keys()], [7, 14])
  assert.deepEqual(sent.sort(), [1, 3, 4, 6])
  await assert.rejects(
    bisect([7], send, () => false),
    RangeError,
  )
})
