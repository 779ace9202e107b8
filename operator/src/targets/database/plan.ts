/** What to change in the database, from what is wanted and what is there. Pure. */
import { Stalling } from '../../loop/errors.ts'
import { markedSql, planRollups, type SqlChange } from './rollups.ts'
import type { DatabaseHave, DatabaseWant } from './shape.ts'
import { BASE_COLUMNS, COLUMN_TYPES, DEDUP_KEYS } from './sql.ts'
import { createTable, planMarks, planTable, refuseUnsafe, type TableWant } from './table-plan.ts'

const tableOf = ({ table, measurements, partitionBy, ttlHours }: DatabaseWant): TableWant => ({
  table,
  columns: [
    ...Object.entries(BASE_COLUMNS),
    ...measurements.map(({ name, type }) => [name, COLUMN_TYPES[type]] as const),
  ],
  dedupKeys: DEDUP_KEYS,
  partitionBy,
  ttl: { sql: `${ttlHours} HOURS`, length: `${ttlHours}h` },
  wayOut: {
    partition: 'create a fleet of another name and move the devices to it',
    column: 'add a measurement of another name, let devices send both, then remove this one',
  },
})

const refuseForeign = (have: DatabaseHave): void => {
  const [first, ...more] = have.foreign
  if (!first) return
  const names = [first, ...more].map(({ name }) => name).join(', ')
  throw new Stalling(
    'NotOwned',
    `${names} in the database: ${first.why}; it is left alone. Rename or drop it, or give the fleet another name`,
  )
}

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
    ? [...adopt(want, have), ...planTable(tableOf(want), have.table)]
    : [createTable(tableOf(want), markedSql(want, have, want.table))]
  return [...planMarks(want, have), ...table, ...planRollups(want, have)]
}
