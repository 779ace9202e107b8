/** What to change in one table, from how it is wanted and how it is. Pure. */
import { Stalling } from '../../loop/errors.ts'
import type { SqlChange } from './rollups.ts'
import type { TableHave } from './shape.ts'
import { columnSql, createMarksSql, createTableSql, keysSql, quoted, type TableShape, text } from './sql.ts'

export type TableWant = TableShape & {
  /** What a person can do about what can't be changed. */
  readonly wayOut: { readonly partition: string; readonly column: string }
}

/** @throws Stalling when QuestDB would make tables or columns by itself. */
export const refuseUnsafe = ({ unsafe }: { readonly unsafe: readonly string[] }): void => {
  if (unsafe.length > 0) throw new Stalling('Unsafe', `QuestDB must be started with ${unsafe.join(' and ')}`)
}

/** The table of marks, if it is not there. */
export const planMarks = (
  { marksTable }: { readonly marksTable: string },
  { hasMarks }: { readonly hasMarks: boolean },
): SqlChange[] =>
  hasMarks
    ? []
    : [{ reason: 'Created', message: `table ${marksTable}`, expected: true, sql: [createMarksSql(marksTable)] }]

const refuseImmutable = (want: TableWant, have: TableHave): void => {
  const { table, wayOut } = want
  if (!have.wal)
    throw new Stalling(
      'Failed',
      `table ${table} has no WAL; run ALTER TABLE ${quoted(table)} SET TYPE WAL and restart QuestDB`,
    )
  if (have.partitionBy !== want.partitionBy)
    throw new Stalling(
      'Immutable',
      `table ${table} is partitioned by ${have.partitionBy}, ${want.partitionBy} is wanted; ${wayOut.partition}`,
    )
  for (const [name, type] of want.columns) {
    const has = have.columns.get(name)
    if (has !== undefined && has !== type)
      throw new Stalling(
        'Immutable',
        `column ${name} of table ${table} is ${has}, ${type} is wanted; a column keeps its type: ${wayOut.column}`,
      )
  }
}

const planColumns = ({ table, columns }: TableWant, have: TableHave): SqlChange[] =>
  columns
    .filter(([name]) => !have.columns.has(name))
    .map(([name, type]) => ({
      reason: 'Created',
      message: `column ${name} ${type}`,
      sql: [`ALTER TABLE ${quoted(table)} ADD COLUMN IF NOT EXISTS ${columnSql(name, type)}`],
      confirm: `SELECT type FROM table_columns(${text(table)}) WHERE "column" = ${text(name)}`,
    }))

const planDedup = ({ table, dedupKeys: want }: TableWant, { dedupKeys: have }: TableHave): SqlChange[] => {
  if ([...have].sort().join() === [...want].sort().join()) return []
  return [
    {
      reason: 'Updated',
      message: `dedup keys ${have.join(', ') || 'none'} → ${want.join(', ')}`,
      sql: [`ALTER TABLE ${quoted(table)} DEDUP ENABLE UPSERT KEYS(${keysSql(want)})`],
    },
  ]
}

const planWal = ({ table }: TableWant, { suspended }: TableHave): SqlChange[] =>
  suspended === undefined
    ? []
    : [
        {
          reason: 'Updated',
          message: `WAL was suspended (${suspended}), resumed`,
          sql: [`ALTER TABLE ${quoted(table)} RESUME WAL`],
        },
      ]

export const planTtl = ({ table, ttl }: TableWant, have: TableHave): SqlChange[] =>
  have.ttl === ttl.length
    ? []
    : [
        {
          reason: 'Updated',
          message: `ttl ${have.ttl} → ${ttl.length}`,
          sql: [`ALTER TABLE ${quoted(table)} SET TTL ${ttl.sql}`],
        },
      ]

/** All but the TTL. @throws Stalling for what can't be changed. */
export const planShape = (want: TableWant, have: TableHave): SqlChange[] => {
  refuseImmutable(want, have)
  return [...planWal(want, have), ...planColumns(want, have), ...planDedup(want, have)]
}

/** @throws Stalling for what can't be changed. */
export const planTable = (want: TableWant, have: TableHave): SqlChange[] => [
  ...planShape(want, have),
  ...planTtl(want, have),
]

/** The table, made after the statements that mark it as ours. */
export const createTable = (want: TableShape, marks: readonly string[]): SqlChange => ({
  reason: 'Created',
  message: `table ${want.table}`,
  makesTable: true,
  sql: [...marks, createTableSql(want)],
})
