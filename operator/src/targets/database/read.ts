/** Reads what the database holds of one fleet: a handful of catalog queries, and the first row of each view. */
import { z } from 'zod'
import { lengthOf } from './lengths.ts'
import type { Questdb, Row } from './questdb-http.ts'
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
import { isoMicros, type Mark, quoted, readMarksSql, text } from './sql.ts'

/** Settings without which QuestDB makes tables and columns by itself. */
const SAFE_SETTINGS = { 'line.auto.create.new.tables': 'false', 'line.auto.create.new.columns': 'false' } as const

const tableRow = z.object({
  table_name: z.string(),
  partitionBy: z.string(),
  walEnabled: z.boolean(),
  ttlValue: z.number(),
  ttlUnit: z.string().nullable(),
  matView: z.boolean(),
})
type TableRow = z.infer<typeof tableRow>

const viewRow = z.object({
  view_name: z.string(),
  view_sql: z.string(),
  view_status: z.string(),
  invalidation_reason: z.string().nullable(),
  refresh_type: z.string(),
  last_refresh_finish_timestamp: z.string().nullable(),
  refresh_base_table_txn: z.number(),
  base_table_txn: z.number(),
  refresh_limit: z.number(),
  refresh_limit_unit: z.string().nullable(),
})
type ViewRow = z.infer<typeof viewRow>

const walRow = z.object({
  name: z.string(),
  suspended: z.boolean(),
  errorTag: z.string().nullable(),
  errorMessage: z.string().nullable(),
})
const columnRow = z.object({ column: z.string(), type: z.string(), upsertKey: z.boolean() })
const parameterRow = z.object({ property_path: z.string(), value: z.string().nullable() })
const markRow = z.object({
  table_name: z.string(),
  uid: z.string(),
  namespace: z.string(),
  name: z.string(),
  dropped: z.boolean(),
})
const timeRow = z.object({ at: z.string().nullable() })

const rowsOf = async <T>(db: Questdb, row: z.ZodType<T>, sql: string): Promise<T[]> =>
  (await db.sql(sql)).map((one: Row) => row.parse(one))

const msOf = (at: string | null | undefined): number | undefined => (at ? Date.parse(at) : undefined)

const timeOf = async (db: Questdb, sql: string): Promise<number | undefined> =>
  msOf((await rowsOf(db, timeRow, sql))[0]?.at)

const unsafeSettings = async (db: Questdb): Promise<string[]> => {
  const wanted = Object.entries(SAFE_SETTINGS)
  const list = wanted.map(([name]) => text(name)).join(', ')
  const found = await rowsOf(db, parameterRow, `(SHOW PARAMETERS) WHERE property_path IN (${list})`)
  const values = new Map(found.map(({ property_path, value }) => [property_path, value]))
  return wanted.filter(([name, value]) => values.get(name) !== value).map(([name, value]) => `${name}=${value}`)
}

const readMarks = async (db: Questdb, { marksTable, fleet }: MarksOf): Promise<Mark[] | undefined> => {
  const there = await db.sql(`SELECT table_name FROM tables() WHERE table_name = ${text(marksTable)}`)
  if (there.length === 0) return undefined
  const rows = await rowsOf(db, markRow, readMarksSql(marksTable, fleet.namespace, fleet.name))
  return rows.filter(({ dropped }) => !dropped).map(({ table_name, ...mark }) => ({ ...mark, table: table_name }))
}

type MarksOf = Pick<DatabaseWant, 'marksTable' | 'fleet'>

/** Tables and views under this fleet's names. */
const readTables = async (db: Questdb, table: string): Promise<TableRow[]> => {
  const columns = 'table_name, partitionBy, walEnabled, ttlValue, ttlUnit, matView'
  const sql = `SELECT ${columns} FROM tables() WHERE table_name = ${text(table)} OR starts_with(table_name, ${text(`${table}_`)})`
  const rows = await rowsOf(db, tableRow, sql)
  return rows.filter(({ table_name }) => table_name === table || rollupOfName(table, table_name) !== undefined)
}

/** By name, why its WAL is suspended. */
const readSuspended = async (db: Questdb, names: readonly string[]): Promise<Map<string, string>> => {
  if (names.length === 0) return new Map()
  const sql = `SELECT name, suspended, errorTag, errorMessage FROM wal_tables() WHERE name IN (${names.map(text).join(', ')})`
  const rows = await rowsOf(db, walRow, sql)
  return new Map(
    rows
      .filter(({ suspended }) => suspended)
      .map((row) => [row.name, row.errorMessage || row.errorTag || 'no reason given']),
  )
}

const readTable = async (db: Questdb, row: TableRow, suspended: string | undefined): Promise<TableHave> => {
  const sql = `SELECT "column", type, upsertKey FROM table_columns(${text(row.table_name)})`
  const columns = await rowsOf(db, columnRow, sql)
  return {
    partitionBy: row.partitionBy,
    ttl: lengthOf(row.ttlValue, row.ttlUnit),
    wal: row.walEnabled,
    suspended,
    columns: new Map(columns.map(({ column, type }) => [column.toLowerCase(), type])),
    dedupKeys: columns.filter(({ upsertKey }) => upsertKey).map(({ column }) => column),
  }
}

const readView = async (
  db: Questdb,
  table: TableRow,
  view: ViewRow,
): Promise<Omit<ViewHave, 'suspended' | 'every' | 'generation'>> => ({
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
  firstMs: await timeOf(db, `SELECT min(ts) at FROM ${quoted(view.view_name)}`),
})

const VIEW_COLUMNS = Object.keys(viewRow.shape).join(', ')

const readViews = async (
  db: Questdb,
  table: string,
  rows: readonly TableRow[],
  suspended: ReadonlyMap<string, string>,
): Promise<ViewHave[]> => {
  const names = rows.filter(({ matView }) => matView).map(({ table_name }) => table_name)
  if (names.length === 0) return []
  const sql = `SELECT ${VIEW_COLUMNS} FROM materialized_views() WHERE view_name IN (${names.map(text).join(', ')})`
  const views: ViewHave[] = []
  for (const view of await rowsOf(db, viewRow, sql)) {
    const row = rows.find(({ table_name }) => table_name === view.view_name)
    const rollup = rollupOfName(table, view.view_name)
    if (row && rollup)
      views.push({ ...(await readView(db, row, view)), ...rollup, suspended: suspended.get(view.view_name) })
  }
  return views
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

export const readDatabase = async (db: Questdb, want: DatabaseWant, nowMs: number): Promise<DatabaseHave> => {
  const unsafe = await unsafeSettings(db)
  const marks = await readMarks(db, want)
  const rows = await readTables(db, want.table)
  const suspended = await readSuspended(
    db,
    rows.map(({ table_name }) => table_name),
  )
  const row = rows.find(({ table_name }) => table_name === want.table)
  const views = await readViews(db, want.table, rows, suspended)
  const foreign = foreignOf(rows, want.table, marks ?? [])
  const table = row && !row.matView ? await readTable(db, row, suspended.get(row.table_name)) : undefined
  const floors = await readFloors(db, want, views)
  return { nowMs, unsafe, hasMarks: marks !== undefined, marks: marks ?? [], foreign, table, views, floors }
}

/** What is marked as this fleet's and is there, and which of it are views. */
export const readOwned = async (
  db: Questdb,
  want: MarksOf & Pick<DatabaseWant, 'table'>,
): Promise<{ name: string; isView: boolean }[]> => {
  const marks = (await readMarks(db, want)) ?? []
  const rows = await readTables(db, want.table)
  return marks.flatMap(({ table }) => {
    const row = rows.find(({ table_name }) => table_name === table)
    return row ? [{ name: table, isView: row.matView }] : []
  })
}
