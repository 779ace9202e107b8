/** The table of the alerts' transitions: the platform's own, marked as ours like the fleets' tables. */
import type { Names } from '@fleetloom/crds/names'
import { ALERT_COLUMNS, ALERT_KEYS } from '@fleetloom/shared/alerts/alerts-table'
import { Stalling } from '../../loop/errors.ts'
import type { Catalog } from './catalog.ts'
import { changing, confirmed } from './database-target.ts'
import { viewTtl } from './lengths.ts'
import { readTable } from './read.ts'
import type { SqlChange } from './rollups.ts'
import type { TableHave } from './shape.ts'
import { createMarksSql, markSql } from './sql.ts'
import { createTable, planTable, type TableWant } from './table-plan.ts'

export type AlertsWant = TableWant & { readonly marksTable: string; readonly installation: string }

export type AlertsHave = {
  readonly hasMarks: boolean
  readonly isMarked: boolean
  readonly exists: boolean
  readonly table: TableHave | undefined
}

const PARTITION = 'MONTH'

/** Pure: the same settings give the same value. */
export const alertsWant = (names: Names, ttlHours: number): AlertsWant => ({
  table: names.alertsTable,
  columns: ALERT_COLUMNS,
  dedupKeys: ALERT_KEYS,
  partitionBy: PARTITION,
  ttl: viewTtl(ttlHours, PARTITION),
  wayOut: {
    partition: 'rename the table, and it is made again',
    column: 'rename the table, and it is made again',
  },
  marksTable: names.ownershipTable,
  installation: names.installation,
})

const read = async (catalog: Catalog, { table }: AlertsWant): Promise<AlertsHave> => {
  const snapshot = await catalog.readListing(table)
  const row = await catalog.row(table, snapshot)
  const marked = [...(snapshot.marks?.values() ?? [])].flat()
  return {
    hasMarks: snapshot.marks !== undefined,
    isMarked: marked.some((mark) => mark.table === table),
    exists: row !== undefined,
    table: row && !row.matView ? await readTable(catalog, snapshot, row) : undefined,
  }
}

/** @throws Stalling for a table that is not ours, or that has what can't be changed. */
export const planAlerts = (want: AlertsWant, have: AlertsHave): readonly SqlChange[] => {
  const { table, marksTable, installation } = want
  if (have.exists && (!have.isMarked || !have.table))
    throw new Stalling(
      'NotOwned',
      `table ${table} in the database was not made by this installation; it is left alone, and alerts have no history. Rename or drop it`,
    )
  if (have.table) return planTable(want, have.table)
  const marks = have.hasMarks ? [] : [createMarksSql(marksTable)]
  const mark = have.isMarked ? [] : [markSql(marksTable, { table, uid: installation, namespace: '', name: '' })]
  return [createTable(want, [...marks, ...mark])]
}

/**
 * Brings the table about and returns what it had to change, in words. `beforeTable` is done before the table is made anew: a crash in
 * between has it done again.
 */
export const ensureAlertsTable = async (
  catalog: Catalog,
  want: AlertsWant,
  beforeTable: () => Promise<void>,
): Promise<string[]> => {
  const have = await read(catalog, want)
  const changes = planAlerts(want, have)
  if (!have.exists) await beforeTable()
  for (const { sql, confirm, message } of changes)
    await changing(catalog, want.table, async (db) => {
      for (const statement of sql) await db.sql(statement)
      if (confirm !== undefined) await confirmed(db, confirm, message)
    })
  return changes.map(({ message }) =>
    message.startsWith('table') ? `${message} is made` : `table ${want.table}: ${message}`,
  )
}
