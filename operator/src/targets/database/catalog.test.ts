import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Catalog } from './catalog.ts'
import { type Questdb, type Row, SqlError } from './questdb-http.ts'
import { readDatabase } from './read.ts'
import { aWant } from './testing.ts'

const TABLE = { table_name: 't', partitionBy: 'DAY', walEnabled: true, ttlValue: 0, ttlUnit: null, matView: false }

const missing = (): SqlError => new SqlError('database refused it: table does not exist [table=t]')

/** A database with one table, whose last change is committed and may not be applied. */
const database = () => {
  const state = { sequencerTxn: 1, writerTxn: 1, columns: ['ts', 'wind'], isThere: true, isListed: true, mark: '' }
  const asked: string[] = []
  const orMissing = (rows: () => Row[]): Row[] => {
    if (!state.isThere) throw missing()
    return rows()
  }
  const wal = { name: 't', suspended: false, errorTag: null, errorMessage: null }
  const answers: [part: string, rows: () => Row[]][] = [
    ['wal_tables', () => [{ ...wal, sequencerTxn: state.sequencerTxn, writerTxn: state.writerTxn }]],
    [
      'table_columns',
      () => orMissing(() => state.columns.map((column) => ({ column, type: 'DOUBLE', upsertKey: false }))),
    ],
    ['FROM tables()', () => (state.isThere && state.isListed ? [TABLE] : [])],
    ['"t"', () => orMissing(() => [])],
    [
      '"marks"',
      () => {
        if (!state.mark) throw missing()
        return [{ table_name: state.mark, uid: 'u1', namespace: 'cold', name: 'reefers', dropped: false }]
      },
    ],
  ]
  const rows = (statement: string): Row[] => answers.find(([part]) => statement.includes(part))?.[1]() ?? []
  const db: Questdb = {
    sql: async (statement) => {
      asked.push(statement)
      return rows(statement)
    },
  }
  let nowMs = 0
  const catalog = new Catalog(db, 'marks', () => nowMs)
  const look = async () => {
    nowMs += 2_000
    return (await catalog.columns('t', await catalog.read('t'))).map(({ column }) => column)
  }
  return { state, asked, catalog, look, tick: () => nowMs++ }
}

test('columns that were read before a change was applied are read again', async () => {
  const { state, look } = database()
  state.sequencerTxn = 2
  assert.deepEqual(await look(), ['ts', 'wind'])
  Object.assign(state, { writerTxn: 2, columns: ['ts'] })
  assert.deepEqual(await look(), ['ts'])
})

test('columns of a table that stands still are read once', async () => {
  const { asked, look } = database()
  for (let i = 0; i < 3; i++) assert.deepEqual(await look(), ['ts', 'wind'])
  assert.equal(asked.filter((statement) => statement.includes('table_columns')).length, 1)
})

test('a reading that the columns contradict counts no more', async () => {
  const { state, asked, catalog, tick } = database()
  const snapshot = await catalog.read('t')
  tick()
  state.isThere = false
  await assert.rejects(catalog.columns('t', snapshot), /does not exist/)
  asked.length = 0
  await catalog.read('t')
  assert.ok(asked.some((statement) => statement.includes('FROM tables()')))
})

test('a table that is there and not listed is not taken for missing', async () => {
  const { state, catalog } = database()
  state.isListed = false
  await assert.rejects(catalog.row('t', await catalog.read('t')), {
    name: 'Waiting',
    message: 'QuestDB has table t and does not list it yet',
  })
  state.isThere = false
  assert.equal(await catalog.row('t', await catalog.read('t')), undefined)
})

test('a rollup of ours that is not listed is not made a second time', async () => {
  const { state, catalog } = database()
  const want = { ...aWant(), table: 't' }
  Object.assign(state, { mark: 't_1h' })
  await assert.rejects(readDatabase(catalog, want, 0), { message: 'QuestDB has table t_1h and does not list it yet' })
})

test('without a table of marks nothing is known to be marked', async () => {
  const { catalog } = database()
  assert.equal((await catalog.read('t')).marks, undefined)
})
