/** The events table of a namespace comes with its first fleet, is repaired and filled again, and goes with its last. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '../kit/until.ts'
import { manifest, names, type OperatorPlatform, startOperatorPlatform } from './operator-under-test.ts'

const [A, B, C] = ['a', 'b', 'c'].map((name) => ({ namespace: 'cold', name })) as [Fleet, Fleet, Fleet]
type Fleet = { readonly namespace: string; readonly name: string }
const TABLE = names.eventsTable('cold')

const fleet = (one: Fleet, onDelete: 'Delete' | 'Retain'): string =>
  manifest({ fleet: one, spec: [`storage: {onDelete: ${onDelete}, rollups: []}`] })

const stack = new AsyncDisposableStack()
let platform: OperatorPlatform
before(async () => {
  platform = await startOperatorPlatform(stack, {
    manifests: { 'a.yaml': fleet(A, 'Delete'), 'b.yaml': fleet(B, 'Delete') },
  })
  await Promise.all([platform.untilReady(A), platform.untilReady(B)])
})
after(() => stack.disposeAsync())

const tables = async () =>
  (await platform.sql<{ table_name: string }>('SELECT table_name FROM tables()')).map((one) => one.table_name)

const untilGone = (one: Fleet) =>
  until(async () => !(await platform.fleets()).some(({ name }) => name === one.name), {
    what: `fleet ${one.name} to be gone`,
    deadlineMs: 30_000,
    everyMs: 250,
  })

const post = async (one: Fleet, types: readonly string[]) => {
  const { device } = await platform.register(one, `${one.name}-1`)
  const events = types.map((type) => ({ device, type, ts: Date.now() }))
  await platform.call('POST', `/v1/namespaces/cold/fleets/${one.name}/events`, events)
}

const untilTypes = (...types: readonly string[]) =>
  until(
    async () => {
      const rows = await platform.sql<{ t: string }>(
        `SELECT concat(fleet, '/', type) t FROM "${TABLE}" WHERE type != 'device_online' ORDER BY t`,
      )
      const found = rows.map(({ t }) => t)
      if (found.join() !== types.join()) throw new Error(found.join())
      return true
    },
    { what: `the events ${types}`, deadlineMs: 30_000 },
  )

test('two fleets share it', async () => {
  await post(A, ['x'])
  await post(B, ['y', 'z'])
  await untilTypes('a/x', 'b/y', 'b/z')
})

test('dropped behind our back it is made again, and filled with what the streams of all fleets hold', async () => {
  await platform.sql(`DROP TABLE "${TABLE}"`)
  await untilTypes('a/x', 'b/y', 'b/z')
  await post(A, ['later'])
  await untilTypes('a/later', 'a/x', 'b/y', 'b/z')
})

test('it stays while a fleet is left, and goes with the last', async () => {
  platform.remove('a.yaml')
  await untilGone(A)
  assert.ok((await tables()).includes(TABLE))
  assert.ok(!(await tables()).includes(names.table(A)))
  platform.remove('b.yaml')
  await untilGone(B)
  assert.ok(!(await tables()).includes(TABLE))
})

test('two fleets that go at the same time take it along', async () => {
  platform.apply('a.yaml', fleet(A, 'Delete'))
  platform.apply('b.yaml', fleet(B, 'Delete'))
  await Promise.all([platform.untilReady(A), platform.untilReady(B)])
  await post(A, ['x'])
  platform.remove('a.yaml')
  platform.remove('b.yaml')
  await Promise.all([untilGone(A), untilGone(B)])
  assert.ok(!(await tables()).includes(TABLE))
})

test('once a fleet that retains its data is gone, it stays whatever the last one says', async () => {
  platform.apply('b.yaml', fleet(B, 'Retain'))
  platform.apply('c.yaml', fleet(C, 'Delete'))
  await Promise.all([platform.untilReady(B), platform.untilReady(C)])
  await post(B, ['kept'])
  await untilTypes('b/kept')
  platform.remove('b.yaml')
  await untilGone(B)
  platform.remove('c.yaml')
  await untilGone(C)
  await untilTypes('b/kept')
  platform.apply('c.yaml', fleet(C, 'Delete'))
  await platform.untilReady(C)
  await post(C, ['new'])
  await untilTypes('b/kept', 'c/new')
})
