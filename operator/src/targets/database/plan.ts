/** What to change in the database, from what is wanted and what is there. Pure. */
import { label } from '@fleetloom/crds/names'
import { Stalling } from '../../loop/errors.ts'
import { markedSql, planRollups, type SqlChange } from './rollups.ts'
import type { DatabaseHave, DatabaseWant, TableHave } from './shape.ts'
import {
  BASE_COLUMNS,
  COLUMN_TYPES,
  columnSql,
  createMarksSql,
  createTableSql,
  DEDUP_KEYS,
  quoted,
  text,
} from './sql.ts'

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

const refuseUnsafe = ({ unsafe }: DatabaseHave): void => {
  if (unsafe.length > 0) throw new Stalling('Unsafe', `QuestDB must be started with ${unsafe.join(' and ')}`)
}

const refuseImmutable = (want: DatabaseWant, table: TableHave): void => {
  if (!table.wal)
    throw new Stalling(
      'Failed',
      `table ${want.table} has no WAL; run ALTER TABLE ${quoted(want.table)} SET TYPE WAL and restart QuestDB`,
    )
  if (table.partitionBy !== want.partitionBy)
    throw new Stalling(
      'Immutable',
      `table ${want.table} is partitioned by ${table.partitionBy}, spec.storage.partitionBy asks for ${want.partitionBy}; create a fleet of another name and move the devices to it`,
    )
  for (const [name, type] of columnsOf(want)) {
    const has = table.columns.get(name)
    if (has !== undefined && has !== type)
      throw new Stalling(
        'Immutable',
        `column ${name} of table ${want.table} is ${has}, the spec of ${label(want.fleet)} asks for ${type}; a column keeps its type: add a measurement of another name, let devices send both, then remove this one`,
      )
  }
}

const planColumns = (want: DatabaseWant, { columns }: TableHave): SqlChange[] =>
  columnsOf(want)
    .filter(([name]) => !columns.has(name))
    .map(([name, type]) => ({
      reason: 'Created',
      message: `column ${name} ${type}`,
      sql: [`ALTER TABLE ${quoted(want.table)} ADD COLUMN IF NOT EXISTS ${columnSql(name, type)}`],
      confirm: `SELECT type FROM table_columns(${text(want.table)}) WHERE "column" = ${text(name)}`,
    }))

const planDedup = (want: DatabaseWant, { dedupKeys }: TableHave): SqlChange[] => {
  const keys = DEDUP_KEYS.join(', ')
  if ([...dedupKeys].sort().join() === [...DEDUP_KEYS].sort().join()) return []
  return [
    {
      reason: 'Updated',
      message: `dedup keys ${dedupKeys.join(', ') || 'none'} → ${keys}`,
      sql: [`ALTER TABLE ${quoted(want.table)} DEDUP ENABLE UPSERT KEYS(${keys})`],
    },
  ]
}

const planTable = (want: DatabaseWant, table: TableHave): SqlChange[] => {
  refuseImmutable(want, table)
  const alter = `ALTER TABLE ${quoted(want.table)}`
  const resume: SqlChange[] =
    table.suspended === undefined
      ? []
      : [
          {
            reason: 'Updated',
            message: `WAL was suspended (${table.suspended}), resumed`,
            sql: [`${alter} RESUME WAL`],
          },
        ]
  const ttl: SqlChange[] =
    table.ttl === `${want.ttlHours}h`
      ? []
      : [
          {
            reason: 'Updated',
            message: `ttl ${table.ttl} → ${want.ttlHours}h`,
            sql: [`${alter} SET TTL ${want.ttlHours} HOURS`],
          },
        ]
  return [...resume, ...planColumns(want, table), ...planDedup(want, table), ...ttl]
}

const createTable = (want: DatabaseWant, have: DatabaseHave): SqlChange => ({
  reason: 'Created',
  message: `table ${want.table}`,
  makesTable: true,
  sql: [
    ...markedSql(want, have, want.table),
    createTableSql({
      table: want.table,
      columns: columnsOf(want),
      partitionBy: want.partitionBy,
      ttlHours: want.ttlHours,
    }),
  ],
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
  const marks: SqlChange[] = have.hasMarks
    ? []
    : [
        {
          reason: 'Created',
          message: `table ${want.marksTable}`,
          expected: true,
          sql: [createMarksSql(want.marksTable)],
        },
      ]
  const table = have.table ? [...adopt(want, have), ...planTable(want, have.table)] : [createTable(want, have)]
  return [...marks, ...table, ...planRollups(want, have)]
}
