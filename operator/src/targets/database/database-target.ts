/**
 * The database target: a fleet's table and its rollups in QuestDB. Each table and view is marked as ours in a table of our own
 * before it is made, so a crash in between leaves a mark without a table, never a table that is taken for foreign.
 */
import { setTimeout } from 'node:timers/promises'
import type { Change, Target } from '../../loop/converge.ts'
import { Waiting } from '../../loop/errors.ts'
import type { Catalog } from './catalog.ts'
import { planDatabase } from './plan.ts'
import type { Questdb } from './questdb-http.ts'
import { readDatabase, readOwned } from './read.ts'
import { dropViewSql, type SqlChange } from './rollups.ts'
import type { DatabaseHave, DatabaseWant } from './shape.ts'
import { markSql, quoted } from './sql.ts'

export type DatabaseTarget = Target<DatabaseWant, DatabaseHave, SqlChange>

export const runAll = async (db: Questdb, statements: readonly string[]): Promise<void> => {
  for (const statement of statements) await db.sql(statement)
}

const CONFIRM = { tries: 60, everyMs: 50 } as const

export const confirmed = async (db: Questdb, query: string, message: string): Promise<void> => {
  for (let i = 0; i < CONFIRM.tries; i++) {
    if ((await db.sql(query)).length > 0) return
    await setTimeout(CONFIRM.everyMs)
  }
  throw new Waiting('WaitingForTarget', `QuestDB has not applied this yet: ${message}`, 2_000)
}

/** Makes a change of which the next reading for the table is to know, whether it succeeds or not. */
export const changing = async (
  catalog: Catalog,
  table: string,
  work: (db: Questdb) => Promise<void>,
): Promise<void> => {
  try {
    await work(catalog.db)
  } finally {
    catalog.touch(table)
  }
}

/** Makes a change and waits until it can be seen. */
export const applySql = (catalog: Catalog, table: string, { sql, confirm, message }: SqlChange): Promise<void> =>
  changing(catalog, table, async (db) => {
    await runAll(db, sql)
    if (confirm !== undefined) await confirmed(db, confirm, message)
  })

export type DatabaseTools = {
  readonly catalog: Catalog
  readonly now: () => number
  /** Called before the table is made, so that what fills it starts from the beginning. */
  readonly beforeTable: () => Promise<void>
}

export const databaseTarget = ({ catalog, now, beforeTable }: DatabaseTools): DatabaseTarget => ({
  name: 'database',
  read: (want) => readDatabase(catalog, want, now()),
  plan: planDatabase,
  apply: async ({ table }, change) => {
    if (change.makesTable) await beforeTable()
    await applySql(catalog, table, change)
  },
})

type Owned = { readonly name: string; readonly isView: boolean }

const dropTable = ({ table, marksTable, fleet, uid }: DatabaseWant): string[] => [
  `DROP TABLE IF EXISTS ${quoted(table)}`,
  markSql(marksTable, { ...fleet, uid, table }, true),
]

/** Removes the fleet's views, then its table: only what bears our mark. */
export const databaseRemoval = (
  catalog: Catalog,
): Target<DatabaseWant, readonly Owned[], Change & { readonly sql: readonly string[] }> => ({
  name: 'database',
  read: (want) => readOwned(catalog, want),
  plan: (want, owned) =>
    [...owned]
      .sort((a, b) => Number(b.isView) - Number(a.isView))
      .map(({ name, isView }) => ({
        reason: 'Removed',
        message: `${isView ? 'rollup' : 'table'} ${name}`,
        sql: isView ? dropViewSql(want, name) : dropTable(want),
      })),
  apply: ({ table }, { sql }) => changing(catalog, table, (db) => runAll(db, sql)),
})
