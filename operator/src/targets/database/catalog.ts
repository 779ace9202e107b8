/**
 * What the database says of all its tables at once, shared by all fleets that ask at about the same time: the catalog's
 * functions walk through every table whomever they are asked about, so asking for each fleet would be quadratic.
 *
 * A fleet that has changed something itself is given a reading that was begun after that; the others take one that is at most
 * `MAX_AGE_MS` old. One reading is under way at a time, and who asks meanwhile shares the next.
 *
 * The columns of a table are read again when its transaction number has moved, which every change of a table's structure does.
 * The number counts once it is applied: `table_columns()` tells a change only then (tried with 9.3.1: of 971 looks around changes, 821 saw
 * the old columns under the number of the commit, none under that of the apply).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { label } from '@fleetloom/crds/names'
import { z } from 'zod'
import { Waiting } from '../../loop/errors.ts'
import { type Questdb, type Row, SqlError } from './questdb-http.ts'
import { type Mark, quoted, readMarksSql, text } from './sql.ts'

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
export type TableRow = z.infer<typeof tableRow>

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
export type ViewRow = z.infer<typeof viewRow>

const walRow = z.object({
  name: z.string(),
  writerTxn: z.number(),
  suspended: z.boolean(),
  errorTag: z.string().nullable(),
  errorMessage: z.string().nullable(),
})
const columnRow = z.object({ column: z.string(), type: z.string(), upsertKey: z.boolean() })
export type ColumnRow = z.infer<typeof columnRow>
const parameterRow = z.object({ property_path: z.string(), value: z.string().nullable() })
const markRow = z.object({
  table_name: z.string(),
  uid: z.string(),
  namespace: z.string(),
  name: z.string(),
  dropped: z.boolean(),
})

/** One reading. */
export type Snapshot = {
  /** Settings that break a guarantee, in words. */
  readonly unsafe: readonly string[]
  /** What is ours, by the label of its fleet; undefined while there is no table of marks. */
  readonly marks: ReadonlyMap<string, readonly Mark[]> | undefined
  readonly tables: ReadonlyMap<string, TableRow>
  /** Each table with those that may be its rollups, by its name. */
  readonly families: ReadonlyMap<string, readonly TableRow[]>
  readonly views: ReadonlyMap<string, ViewRow>
  /** By name: why its WAL is suspended. */
  readonly suspended: ReadonlyMap<string, string>
  /** By name: number of the last transaction that is applied, and not only committed. */
  readonly txns: ReadonlyMap<string, number>
}

const MAX_AGE_MS = 1_000
const RELIST_MS = 1_000
/** Between the beginnings of two readings. */
const PAUSE_MS = 200

export const rowsOf = async <T>(db: Questdb, row: z.ZodType<T>, sql: string): Promise<T[]> =>
  (await db.sql(sql)).map((one: Row) => row.parse(one))

/** What a query gives; undefined when its table does not exist. */
const ifThere = <T>(query: Promise<T>): Promise<T | undefined> =>
  query.catch((error) => {
    if (error instanceof SqlError && error.message.includes('table does not exist')) return undefined
    throw error
  })

const unsafeSettings = async (db: Questdb): Promise<string[]> => {
  const wanted = Object.entries(SAFE_SETTINGS)
  const list = wanted.map(([name]) => text(name)).join(', ')
  const found = await rowsOf(db, parameterRow, `(SHOW PARAMETERS) WHERE property_path IN (${list})`)
  const values = new Map(found.map(({ property_path, value }) => [property_path, value]))
  return wanted.filter(([name, value]) => values.get(name) !== value).map(([name, value]) => `${name}=${value}`)
}

const columnsOf = (row: z.ZodObject): string => Object.keys(row.shape).join(', ')

const byName = <T, K extends keyof T>(rows: readonly T[], key: K): Map<T[K], T> =>
  new Map(rows.map((row) => [row[key], row]))

/** Asked of the table itself, as `tables()` is filled only some time after the database starts. */
const readMarks = async (db: Questdb, marksTable: string): Promise<Map<string, Mark[]> | undefined> => {
  const rows = await ifThere(rowsOf(db, markRow, readMarksSql(marksTable)))
  if (!rows) return undefined
  const alive = rows.filter(({ dropped }) => !dropped)
  return Map.groupBy(
    alive.map(({ table_name: table, dropped: _, ...mark }) => ({ ...mark, table })),
    label,
  )
}

/** The name of the table that a rollup of this name would belong to. */
const baseOf = (name: string): string => name.replace(/_[0-9]+[a-z]+(_g[0-9]+)?$/, '')

const readSnapshot = async (db: Questdb, marksTable: string): Promise<Snapshot> => {
  const unsafe = await unsafeSettings(db)
  const tables = byName(await rowsOf(db, tableRow, `SELECT ${columnsOf(tableRow)} FROM tables()`), 'table_name')
  const marks = await readMarks(db, marksTable)
  const wal = await rowsOf(db, walRow, `SELECT ${columnsOf(walRow)} FROM wal_tables()`)
  const views = byName(await rowsOf(db, viewRow, `SELECT ${columnsOf(viewRow)} FROM materialized_views()`), 'view_name')
  const suspended = wal.filter((row) => row.suspended)
  return {
    unsafe,
    marks,
    tables,
    families: familiesOf(tables.values()),
    views,
    suspended: new Map(suspended.map((row) => [row.name, row.errorMessage || row.errorTag || 'no reason given'])),
    txns: new Map(wal.map(({ name, writerTxn }) => [name, writerTxn])),
  }
}

/** Each under its own name, and under that of the table whose rollup it may be. */
const familiesOf = (tables: Iterable<TableRow>): Map<string, TableRow[]> => {
  const families = new Map<string, TableRow[]>()
  for (const row of tables)
    for (const name of new Set([row.table_name, baseOf(row.table_name)]))
      families.set(name, [...(families.get(name) ?? []), row])
  return families
}

type Reading = { readonly begunMs: number; readonly snapshot: Promise<Snapshot> }

export class Catalog {
  readonly db: Questdb
  readonly #marksTable: string
  readonly #now: () => number
  #last: Reading | undefined
  #next: Promise<Snapshot> | undefined
  /** By table: when we last changed something about it. */
  readonly #changed = new Map<string, number>()
  readonly #columns = new Map<string, { readonly txn: number; readonly columns: readonly ColumnRow[] }>()

  /** `now` is monotonic, in ms. */
  constructor(db: Questdb, marksTable: string, now: () => number = () => performance.now()) {
    this.db = db
    this.#marksTable = marksTable
    this.#now = now
  }

  /** A reading that knows of all that we did for this table. */
  read(table: string): Promise<Snapshot> {
    return this.#since(Math.max(this.#now() - MAX_AGE_MS, this.#changed.get(table) ?? 0))
  }

  /** A reading begun from now on: before something is made, nobody else may have made it meanwhile. */
  readAnew(): Promise<Snapshot> {
    return this.#since(this.#now())
  }

  /** A reading that lists the table, or else one begun from now on. */
  async readListing(table: string): Promise<Snapshot> {
    const known = await this.read(table)
    return known.tables.has(table) ? known : this.readAnew()
  }

  async #since(sinceMs: number): Promise<Snapshot> {
    if (this.#last && this.#last.begunMs >= sinceMs) return this.#last.snapshot
    this.#next ??= this.#after(this.#last)
    return this.#next
  }

  /** To be told when something of the table, or of its rollups, was changed. */
  touch(table: string): void {
    this.#changed.set(table, this.#now())
  }

  /** Forgets a table that is not looked after any more. */
  forget(table: string): void {
    this.#changed.delete(table)
    this.#columns.delete(table)
  }

  /**
   * A table's row in a reading; undefined where it does not exist.
   * @throws Waiting where it exists and is not listed: for a while after its start the database lists some of its tables only.
   */
  async row(table: string, { tables }: Snapshot): Promise<TableRow | undefined> {
    const row = tables.get(table)
    if (!row && (await ifThere(this.db.sql(`SELECT 1 FROM ${quoted(table)} LIMIT 0`))))
      throw new Waiting('WaitingForTarget', `QuestDB has table ${table} and does not list it yet`, RELIST_MS)
    return row
  }

  /** Columns of a table as of a reading. */
  async columns(table: string, { txns }: Snapshot): Promise<readonly ColumnRow[]> {
    const txn = txns.get(table)
    const held = this.#columns.get(table)
    if (held && held.txn === txn) return held.columns
    const sql = `SELECT "column", type, upsertKey FROM table_columns(${text(table)})`
    const columns = await rowsOf(this.db, columnRow, sql).catch((error) => {
      // Not what the reading says: the next is to be a new one.
      this.touch(table)
      throw error
    })
    if (txn !== undefined) this.#columns.set(table, { txn, columns })
    return columns
  }

  async #after(last: Reading | undefined): Promise<Snapshot> {
    await last?.snapshot.catch(() => undefined)
    const pauseMs = (last?.begunMs ?? 0) + PAUSE_MS - this.#now()
    if (last && pauseMs > 0) await sleep(pauseMs)
    const reading = { begunMs: this.#now(), snapshot: readSnapshot(this.db, this.#marksTable) }
    this.#last = reading
    this.#next = undefined
    reading.snapshot.catch(() => {
      if (this.#last === reading) this.#last = undefined
    })
    return reading.snapshot
  }
}
