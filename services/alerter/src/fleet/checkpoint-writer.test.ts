import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Overtaken, type Writing } from '../checkpoint/store.ts'
import { CheckpointWriter } from './checkpoint-writer.ts'

const start = () => {
  const saves: {
    readonly writing: Writing
    readonly done: (revision: number) => void
    readonly fail: (error: Error) => void
  }[] = []
  const told: string[] = []
  const writer = new CheckpointWriter(7, {
    save: (writing) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      saves.push({ writing, done: resolve, fail: reject })
      writing.signal?.addEventListener('abort', () => reject(writing.signal?.reason))
      return promise
    },
    onWritten: () => void told.push('written'),
    onFault: (error) => void told.push(String(error)),
  })
  return { saves, told, writer }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('one is written at a time, each over the one before it', async () => {
  const { saves, told, writer } = start()
  for (let i = 0; i < 3; i++) writer.begin()
  assert.deepEqual(
    saves.map(({ writing }) => writing.before),
    [7],
  )
  saves[0]?.done(8)
  await turn()
  writer.begin()
  assert.equal(saves[1]?.writing.before, 8)
  assert.deepEqual(told, ['written'])
})

test('the one under way is given up for the last one, which is no fault', async () => {
  const { saves, told, writer } = start()
  writer.begin()
  await writer.close()
  writer.begin()
  assert.equal(saves.length, 1)
  const last = writer.last()
  assert.deepEqual(saves[1]?.writing, { before: 7, isLast: true })
  saves[1]?.done(8)
  await last
  assert.deepEqual(told, [])
})

test('one that is being committed when the writer is closed counts', async () => {
  const { saves, writer } = start()
  writer.begin()
  saves[0]?.done(8)
  await writer.close()
  void writer.last()
  assert.equal(saves[1]?.writing.before, 8)
})

test('a writer that was overtaken writes no more', async () => {
  const { saves, told, writer } = start()
  writer.begin()
  saves[0]?.fail(new Overtaken('another replica'))
  await turn()
  writer.begin()
  assert.ok(writer.isOvertaken)
  assert.equal(saves.length, 1)
  assert.deepEqual(told, ['Overtaken: another replica'])
})
