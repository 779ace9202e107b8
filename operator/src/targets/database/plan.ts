/** What to change in the database, from what is wanted and what is there. Pure. */
import { label } from '@fleetloom/crds/names'
import { Stalling } from '../../loop/errors.ts'
import { markedSql, planRollups, type SqlChange } from './rollups.ts'
import type { DatabaseHave, DatabaseWant } from './shape.ts'
import { BASE_COLUMNS, COLUMN_TYPES, createTableSql } from './sql.ts'
import { planMarks, planTable, refuseUnsafe, type TableWant } from './table.ts'

const columnsOf = ({ measurements }: DatabaseWant): (readonly [string, string])[] => [
  ...Object.entries(BASE_COLUMNS),
  ...measurements.map(({ name, type }) => [name, COLUMN_TYPES[type]] as const),
]

const refuseForeign = (have: DatabaseHave): void => {
  const [first, ...more] = have.foreign
  if (!first) return
  const names = [first, ...more].map(({ name }) => name).join(', ')
  throw new Stalling(
    'NotOwned',
    `${names} in the database: ${first.why}; it is left alone. Rename or drop it, or give the fleet another name`,
  )
}

/** The fleet's table, as `planTable` wants it. */
const tableWant = (want: DatabaseWant): TableWant => ({
  table: want.table,
  columns: columnsOf(want),
  partitionBy: want.partitionBy,
  ttlHours: want.ttlHours,
  otherPartition:
    'spec.storage.partitionBy asks for another; create a fleet of another name and move the devices to it',
  otherType: `the spec of ${label(want.fleet)} asks for another; a column keeps its type: add a measurement of another name, let devices send both, then remove this one`,
})

const createTable = (want: DatabaseWant, have: DatabaseHave): SqlChange => ({
  reason: 'Created',
  message: `table ${want.table}`,
  makesTable: true,
  sql: [...markedSql(want, have, want.table), createTableSql(tableWant(want))],
})

/** A table that an earlier fleet of this name left behind becomes this one's. */
const adopt = (want: DatabaseWant, have: DatabaseHave): SqlChange[] => {
  const sql = markedSql(want, have, want.table)
  if (sql.length === 0) return []
  return [
    {
      reason: 'Updated',
      message: `table ${want.table} of an earlier fleet of this name is taken over`,
      expected: true,
      sql,
    },
  ]
}

/** @throws Stalling for what is not ours, can't change, or is unsafe. */
export const planDatabase = (want: DatabaseWant, have: DatabaseHave): readonly SqlChange[] => {
  refuseUnsafe(have)
  refuseForeign(have)
  const table = have.table
    ? [...adopt(want, have), ...planTable(tableWant(want), have.table)]
    : [createTable(want, have)]
  return [...planMarks(want, have), ...table, ...planRollups(want, have)]
}
