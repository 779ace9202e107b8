import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Catalog } from './catalog.ts'
import type { Questdb, Row } from './questdb-http.ts'

const TABLE = { table_name: 't', partitionBy: 'DAY', walEnabled: true, ttlValue: 0, ttlUnit: null, matView: false }

/** A database with one table, whose last change is committed and may not be applied. */
const database = () => {
  const state = { sequencerTxn: 1, writerTxn: 1, columns: ['ts', 'wind'], isThere: true }
  const asked: string[] = []
  const rows = (statement: string): Row[] => {
    if (statement.includes('wal_tables')) {
      const { sequencerTxn, writerTxn } = state
      return [{ name: 't', sequencerTxn, writerTxn, suspended: false, errorTag: null, errorMessage: null }]
    }
    if (statement.includes('table_columns')) {
      if (!state.isThere) throw new Error('table does not exist')
      return state.columns.map((column) => ({ column, type: 'DOUBLE', upsertKey: false }))
    }
    return statement.includes('FROM tables()') ? [TABLE] : []
  }
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
