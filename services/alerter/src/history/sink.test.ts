import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { createLogger } from '@fleetloom/shared/process/logger'
import type { Answer } from '@fleetloom/shared/questdb/answer'
import { transitionOf } from '../testing.ts'
import { MOST_BYTES, RowSink } from './sink.ts'

const fault = { detail: 'cast error', field: 'value', line: 1 }

/** A database that answers as told: each request's rows, by their ids. */
const sinkWith = (answer: (ids: string[], request: number) => Answer) => {
  const requests: string[][] = []
  const bytes: number[] = []
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
        bytes.push(bodies.reduce((sum, body) => sum + body.length, 0))
        return answer(ids, requests.length)
      },
    },
    setAside: async ({ id }) => void aside.push(id),
    onWritten: () => undefined,
    log: createLogger('test', 'silent'),
  })
  const addAll = (transitions: readonly Transition[]) => {
    expected += transitions.length
    for (const transition of transitions) sink.add({ transition, done: () => settled(transition.id) })
  }
  const add = (...ids: string[]) => addAll(ids.map((id) => transitionOf({ id })))
  return { sink, add, addAll, requests, bytes, done, aside, all: promise }
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

test('a request is bounded in bytes, and a row that is longer goes alone', async () => {
  const { addAll, requests, bytes, done, all } = sinkWith(() => ({ kind: 'accepted' }))
  const long = (id: string, length: number) => transitionOf({ id, annotations: { text: 'x'.repeat(length) } })
  const rows = Array.from({ length: 100 }, (_, i) => long(`a${i}`, 16_000))
  addAll([...rows, long('huge', 2 * MOST_BYTES), long('last', 1)])
  await all
  assert.deepEqual(done, [...rows.map(({ id }) => id), 'huge', 'last'])
  const over = requests.filter((_, request) => (bytes[request] ?? 0) > MOST_BYTES)
  assert.deepEqual(over, [['huge']])
  assert.ok(requests.length < 10, String(requests.length))
})
