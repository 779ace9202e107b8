/** What to change in one table, a fleet's or a namespace's, and what may not be changed. Pure. */
import { Stalling } from '../../loop/errors.ts'
import type { SqlChange } from './rollups.ts'
import type { TableHave } from './shape.ts'
import { columnSql, createMarksSql, DEDUP_KEYS, quoted, type TableShape, text } from './sql.ts'

export type TableWant = TableShape & {
  /** Who asks for another partitioning, or another type of a column, and the way out. */
  readonly otherPartition: string
  readonly otherType: string
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

const refuseImmutable = (want: TableWant, table: TableHave): void => {
  if (!table.wal)
    throw new Stalling(
      'Failed',
      `table ${want.table} has no WAL; run ALTER TABLE ${quoted(want.table)} SET TYPE WAL and restart QuestDB`,
    )
  if (table.partitionBy !== want.partitionBy)
    throw new Stalling(
      'Immutable',
      `table ${want.table} is partitioned by ${table.partitionBy}, needs ${want.partitionBy}; ${want.otherPartition}`,
    )
  for (const [name, type] of want.columns) {
    const has = table.columns.get(name)
    if (has !== undefined && has !== type)
      throw new Stalling(
        'Immutable',
        `column ${name} of table ${want.table} is ${has}, needs ${type}; ${want.otherType}`,
      )
  }
}

const planColumns = (want: TableWant, { columns }: TableHave): SqlChange[] =>
  want.columns
    .filter(([name]) => !columns.has(name))
    .map(([name, type]) => ({
      reason: 'Created',
      message: `column ${name} ${type}`,
      sql: [`ALTER TABLE ${quoted(want.table)} ADD COLUMN IF NOT EXISTS ${columnSql(name, type)}`],
      confirm: `SELECT type FROM table_columns(${text(want.table)}) WHERE "column" = ${text(name)}`,
    }))

const planDedup = (want: TableWant, { dedupKeys }: TableHave): SqlChange[] => {
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

export const planTtl = ({ table, ttlHours }: TableWant, { ttl }: TableHave): SqlChange[] =>
  ttl === `${ttlHours}h`
    ? []
    : [
        {
          reason: 'Updated',
          message: `ttl ${ttl} → ${ttlHours}h`,
          sql: [`ALTER TABLE ${quoted(table)} SET TTL ${ttlHours} HOURS`],
        },
      ]

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

/** All but the TTL. @throws Stalling for what can't be changed. */
export const planShape = (want: TableWant, table: TableHave): SqlChange[] => {
  refuseImmutable(want, table)
  return [...planWal(want, table), ...planColumns(want, table), ...planDedup(want, table)]
}

/** @throws Stalling for what can't be changed. */
export const planTable = (want: TableWant, table: TableHave): SqlChange[] => [
  ...planShape(want, table),
  ...planTtl(want, table),
]
