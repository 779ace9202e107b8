/** What the database holds of one fleet: its part of the catalog, its columns, and the first rows of views where they matter. */
import { label } from '@fleetloom/crds/names'
import { z } from 'zod'
import { type Catalog, rowsOf, type Snapshot, type TableRow, type ViewRow } from './catalog.ts'
import { lengthOf } from './lengths.ts'
import type { Questdb } from './questdb-http.ts'
import { faultOf } from './rollups.ts'
import {
  type DatabaseHave,
  type DatabaseWant,
  type Foreign,
  generationsOf,
  type RollupWant,
  rollupOfName,
  type TableHave,
  type ViewHave,
} from './shape.ts'
import { isoMicros, type Mark, quoted } from './sql.ts'

const timeRow = z.object({ at: z.string().nullable() })

const msOf = (at: string | null | undefined): number | undefined => (at ? Date.parse(at) : undefined)

const timeOf = async (db: Questdb, sql: string): Promise<number | undefined> =>
  msOf((await rowsOf(db, timeRow, sql))[0]?.at)

type FleetOf = Pick<DatabaseWant, 'fleet' | 'table'>

/** Marks of this fleet; undefined while there is no table of marks. */
const marksOf = ({ marks }: Snapshot, { fleet }: FleetOf): Mark[] | undefined =>
  marks && [...(marks.get(label(fleet)) ?? [])]

/** Tables and views under this fleet's names. */
const tablesOf = ({ families }: Snapshot, { table }: FleetOf): TableRow[] =>
  (families.get(table) ?? []).filter(
    ({ table_name: name }) => name === table || rollupOfName(table, name) !== undefined,
  )

export const readTable = async (catalog: Catalog, snapshot: Snapshot, row: TableRow): Promise<TableHave> => {
  const columns = await catalog.columns(row.table_name, snapshot)
  return {
    partitionBy: row.partitionBy,
    ttl: lengthOf(row.ttlValue, row.ttlUnit),
    wal: row.walEnabled,
    suspended: snapshot.suspended.get(row.table_name),
    columns: new Map(columns.map(({ column, type }) => [column.toLowerCase(), type])),
    dedupKeys: columns.filter(({ upsertKey }) => upsertKey).map(({ column }) => column),
  }
}

const viewOf = (table: TableRow, view: ViewRow): Omit<ViewHave, 'suspended' | 'every' | 'generation' | 'firstMs'> => ({
  view: view.view_name,
  sql: view.view_sql,
  status: view.view_status,
  invalidReason: view.invalidation_reason ?? 'no reason given',
  refresh: view.refresh_type,
  built: view.last_refresh_finish_timestamp !== null,
  behind: Math.max(0, view.base_table_txn - view.refresh_base_table_txn),
  partitionBy: table.partitionBy,
  ttl: lengthOf(table.ttlValue, table.ttlUnit),
  limit: lengthOf(view.refresh_limit, view.refresh_limit_unit),
})

/** The first steps decide only what becomes of older generations and of rollups that are no longer wanted. */
const withFirst = async (db: Questdb, want: DatabaseWant, views: readonly ViewHave[]): Promise<ViewHave[]> => {
  const isWanted = ({ every }: ViewHave) => want.rollups.some((rollup) => rollup.every === every)
  const matters = (view: ViewHave) => !isWanted(view) || generationsOf(views, view.every).length > 1
  return Promise.all(
    views.map(async (view) => {
      if (!matters(view)) return view
      return { ...view, firstMs: await timeOf(db, `SELECT min(ts) at FROM ${quoted(view.view)}`) }
    }),
  )
}

const readViews = (db: Questdb, want: DatabaseWant, rows: readonly TableRow[], snapshot: Snapshot) => {
  const views = rows.flatMap((row): ViewHave[] => {
    const view = snapshot.views.get(row.table_name)
    const rollup = rollupOfName(want.table, row.table_name)
    if (!row.matView || !view || !rollup) return []
    return [{ ...viewOf(row, view), ...rollup, suspended: snapshot.suspended.get(row.table_name), firstMs: undefined }]
  })
  return withFirst(db, want, views)
}

const PARTITION_UNITS = { HOUR: 'h', DAY: 'd', WEEK: 'w' } as const

/** Whether a view turned invalid by something that may have taken rows from the table, not by a change of a column. */
const mayHaveLostRows = (view: ViewHave | undefined): boolean =>
  view?.status === 'invalid' && !/column/i.test(view.invalidReason)

/**
 * Where a new generation of a rollup must begin: behind the last step that began before the table's first partition (steps from
 * before may have lost rows to the TTL), or behind the last step of all when the table may have lost rows in between. Nothing
 * when no older step would be hidden.
 */
const floorOf = async (
  db: Questdb,
  want: DatabaseWant,
  { every, everyMs }: RollupWant,
  views: readonly ViewHave[],
): Promise<readonly [string, number][]> => {
  const unit = PARTITION_UNITS[want.partitionBy]
  const first = mayHaveLostRows(generationsOf(views, every)[0])
    ? undefined
    : await timeOf(db, `SELECT timestamp_floor('${unit}', min(ts)) at FROM ${quoted(want.table)}`)
  const before = first === undefined ? '' : ` WHERE ts < ${isoMicros(first)}`
  const lasts = await Promise.all(
    generationsOf(views, every).map(({ view }) => timeOf(db, `SELECT max(ts) at FROM ${quoted(view)}${before}`)),
  )
  const known = lasts.filter((last) => last !== undefined)
  return known.length === 0 ? [] : [[every, Math.max(...known) + everyMs]]
}

const readFloors = async (db: Questdb, want: DatabaseWant, views: readonly ViewHave[]) => {
  const due = want.rollups.filter((rollup) => {
    const [newest] = generationsOf(views, rollup.every)
    return newest !== undefined && faultOf(want, rollup, newest) !== undefined
  })
  const floors = await Promise.all(due.map((rollup) => floorOf(db, want, rollup, views)))
  return new Map(floors.flat())
}

const foreignOf = (rows: readonly TableRow[], table: string, marks: readonly Mark[]): Foreign[] => {
  const ours = new Set(marks.map((mark) => mark.table))
  const why = (row: TableRow): string | undefined => {
    if (!ours.has(row.table_name)) return 'was not made by this installation'
    if (row.matView !== (row.table_name !== table)) return row.matView ? 'is a view' : 'is not a view'
    return undefined
  }
  return rows.flatMap((row) => {
    const fault = why(row)
    return fault === undefined ? [] : [{ name: row.table_name, why: fault }]
  })
}

/** Whether all that the fleet wants is there under its name, ours or not. */
const isComplete = (snapshot: Snapshot, want: DatabaseWant): boolean => {
  const names = tablesOf(snapshot, want).map(({ table_name }) => table_name)
  const steps = new Set(names.map((name) => rollupOfName(want.table, name)?.every))
  return names.includes(want.table) && want.rollups.every(({ every }) => steps.has(every))
}

/** What is missing will be made and marked as ours, so it is looked for once more: a table of that name may just have come. */
const snapshotFor = async (catalog: Catalog, want: DatabaseWant): Promise<Snapshot> => {
  const snapshot = await catalog.read(want.table)
  return isComplete(snapshot, want) ? snapshot : catalog.readAnew()
}

export const readDatabase = async (catalog: Catalog, want: DatabaseWant, nowMs: number): Promise<DatabaseHave> => {
  const snapshot = await snapshotFor(catalog, want)
  const { db } = catalog
  const marks = marksOf(snapshot, want)
  const rows = tablesOf(snapshot, want)
  const row = await catalog.row(want.table, snapshot)
  // What bears our mark and is not listed is not to be made a second time.
  for (const mark of marks ?? []) await catalog.row(mark.table, snapshot)
  const views = await readViews(db, want, rows, snapshot)
  return {
    nowMs,
    unsafe: snapshot.unsafe,
    hasMarks: marks !== undefined,
    marks: marks ?? [],
    foreign: foreignOf(rows, want.table, marks ?? []),
    table: row && !row.matView ? await readTable(catalog, snapshot, row) : undefined,
    views,
    floors: await readFloors(db, want, views),
  }
}

/** What is marked as this fleet's and is there, and which of it are views. */
export const readOwned = async (catalog: Catalog, want: FleetOf): Promise<{ name: string; isView: boolean }[]> => {
  const snapshot = await catalog.read(want.table)
  const marks = (marksOf(snapshot, want) ?? []).filter(
    ({ table }) => table === want.table || rollupOfName(want.table, table),
  )
  const rows = await Promise.all(marks.map(({ table }) => catalog.row(table, snapshot)))
  return rows.flatMap((row) => (row ? [{ name: row.table_name, isView: row.matView }] : []))
}
