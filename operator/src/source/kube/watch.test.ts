import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import { json, listOf, object, scriptedApi, watchOf } from './testing.ts'
import { follow, type KubeObject } from './watch.ts'

const log = createLogger('test', 'fatal')
const event = (type: string, name: string, version: string) => ({ type, object: object(name, version) })
/** A timer may fire earlier than it is due by this. */
const EARLY_MS = 2
const stay = watchOf([], { open: true })

/** Follows until something was heard so often; gives what. */
const heard = async (server: Awaited<ReturnType<typeof scriptedApi>>, count: number, silenceMs = 10_000) => {
  const said: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const hear = (text: string): void => {
    said.push(text)
    if (said.length === count) resolve()
  }
  const named = ({ metadata }: KubeObject) => metadata.name
  const options = { api: server.api, path: '/things', log, pageSize: 2, silenceMs }
  await using _ = follow(options, {
    onList: (objects) => hear(`list ${objects.map(named).join()}`),
    onPut: (one) => hear(`put ${named(one)}`),
    onDelete: (one) => hear(`delete ${named(one)}`),
  })
  await promise
  return said
}

/** The version that each watch began at. */
const versions = (asked: readonly string[]): (string | null)[] =>
  asked
    .filter((one) => one.includes('watch=true'))
    .map((one) => new URLSearchParams(one.split('?')[1]).get('resourceVersion'))

test('a long list is read in pages and told once', async () => {
  await using server = await scriptedApi(
    json(200, listOf('7', ['a', 'b'], 'more')),
    json(200, listOf('7', ['c'])),
    watchOf([event('ADDED', 'd', '8')], { open: true }),
  )
  assert.deepEqual(await heard(server, 2), ['list a,b,c', 'put d'])
  assert.deepEqual(server.asked.slice(0, 2), ['GET /things?limit=2', 'GET /things?limit=2&continue=more'])
  assert.deepEqual(versions(server.asked), ['7'])
})

test('a watch that ends goes on from the last version, that of a bookmark too', async () => {
  await using server = await scriptedApi(
    json(200, listOf('7', [])),
    watchOf([event('MODIFIED', 'a', '8'), { type: 'BOOKMARK', object: object('', '12') }]),
    watchOf([event('DELETED', 'a', '13')], { open: true }),
  )
  assert.deepEqual(await heard(server, 3), ['list ', 'put a', 'delete a'])
  assert.deepEqual(versions(server.asked), ['7', '12'])
})

test('a version that is too old is answered by a new list, whichever way it is said', async () => {
  const gone = { reason: 'Expired', message: 'too old resource version', code: 410 }
  await using server = await scriptedApi(
    json(200, listOf('7', ['a'])),
    watchOf([{ type: 'ERROR', object: gone }]),
    json(200, listOf('20', ['b'])),
    json(410, gone),
    json(200, listOf('30', ['c'])),
    stay,
  )
  assert.deepEqual(await heard(server, 3), ['list a', 'list b', 'list c'])
  assert.deepEqual(versions(server.asked), ['7', '20'])
})

test('a page of a list that has expired starts the list again', async () => {
  await using server = await scriptedApi(
    json(200, listOf('7', ['a', 'b'], 'more')),
    json(410, { reason: 'Expired', message: 'the continue parameter is too old' }),
    json(200, listOf('9', ['c'])),
    stay,
  )
  assert.deepEqual(await heard(server, 1), ['list c'])
})

test('a server that fails is asked again after a pause, and a watch goes on where it stood', async () => {
  await using server = await scriptedApi(
    json(500, { message: 'etcd is away' }),
    json(200, listOf('7', ['a'])),
    json(503, { message: 'starting' }),
    watchOf([event('ADDED', 'b', '8')], { open: true }),
  )
  const startMs = performance.now()
  assert.deepEqual(await heard(server, 2), ['list a', 'put b'])
  assert.deepEqual(versions(server.asked), ['7', '7'])
  assert.ok(performance.now() - startMs >= 800 - 2 * EARLY_MS, 'it did not wait')
})

test('a watch that ends at once, over and over, is not asked for in a loop', async () => {
  await using server = await scriptedApi(
    json(200, listOf('7', [])),
    watchOf([]),
    watchOf([event('ADDED', 'a', '8')], { open: true }),
  )
  const startMs = performance.now()
  await heard(server, 2)
  assert.ok(performance.now() - startMs >= 400 - EARLY_MS)
})

test('a watch that says nothing is taken for dead', async () => {
  await using server = await scriptedApi(
    json(200, listOf('7', [])),
    stay,
    watchOf([event('ADDED', 'a', '8')], { open: true }),
  )
  assert.deepEqual(await heard(server, 2, 300), ['list ', 'put a'])
})
