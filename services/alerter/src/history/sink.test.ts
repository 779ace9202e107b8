import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import type { Answer } from '@fleetloom/shared/questdb/answer'
import { transitionOf } from '../testing.ts'
import { RowSink } from './sink.ts'

const fault = { detail: 'cast error', field: 'value', line: 1 }

/** A database that answers as told: each request's rows, by their ids. */
const sinkWith = (answer: (ids: string[], request: number) => Answer) => {
  const requests: string[][] = []
  const done: string[] = []
  const aside: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  let expected = 0
  const settled = (id: string) => {
    done.push(id)
    if (done.length === expected) resolve()
  }
  const sink = new RowSink({
    table: 'alerts',
    questdb: {
      renew: () => undefined,
      write: async (bodies) => {
        const ids = bodies.map((body) => /id="(.+?)"/.exec(Buffer.from(body).toString())?.[1] ?? '')
        requests.push(ids)
        return answer(ids, requests.length)
      },
    },
    setAside: async ({ id }) => void aside.push(id),
    onWritten: () => undefined,
    log: createLogger('test', 'silent'),
  })
  const add = (...ids: string[]) => {
    expected += ids.length
    for (const id of ids) sink.add({ transition: transitionOf({ id }), done: () => settled(id) })
  }
  return { sink, add, requests, done, aside, all: promise }
}

test('rows that come while a request is under way go together in the next one', async () => {
  const { add, requests, all } = sinkWith(() => ({ kind: 'accepted' }))
  add('a', 'b', 'c')
  await all
  assert.deepEqual(requests, [['a'], ['b', 'c']])
})

test('a database that is away is waited for, and nothing is lost or reordered', async () => {
  const { add, done, all } = sinkWith((_, request) =>
    request < 3 ? { kind: 'unavailable', reason: 'gone' } : { kind: 'accepted' },
  )
  add('a', 'b')
  await all
  assert.deepEqual(done, ['a', 'b'])
})

test('a row that is refused is set aside, and those beside it are written', async () => {
  const { add, done, aside, all } = sinkWith((ids) =>
    ids.includes('bad') ? { kind: 'row_fault', fault } : { kind: 'accepted' },
  )
  add('a', 'b', 'bad', 'c')
  await all
  assert.deepEqual(done, ['a', 'b', 'bad', 'c'])
  assert.deepEqual(aside, ['bad'])
})
