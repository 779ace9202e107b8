/** SQL statements for QuestDB 9.3, each tried on it. Identifiers are checked and quoted; nothing else is put into a statement raw. */

import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { RESERVED_COLUMNS, rollupColumn } from '@fleetloom/crds/names'
import { quoted, text } from '@fleetloom/shared/questdb/sql-text'

export { quoted, text }

export type MeasurementType = DeviceFleetSpec['measurements'][number]['type']
export type Measured = { readonly name: string; readonly type: MeasurementType }

export const COLUMN_TYPES: Readonly<Record<MeasurementType, string>> = {
  Double: 'DOUBLE',
  Long: 'LONG',
  Boolean: 'BOOLEAN',
  Symbol: 'SYMBOL',
  String: 'VARCHAR',
}

/** The rows' key; see DESIGN.md section 2. */
export const DEDUP_KEYS = RESERVED_COLUMNS
export const BASE_COLUMNS = { ts: 'TIMESTAMP', device: 'SYMBOL', digest: 'LONG' } as const

export const isoMicros = (ms: number): string => `'${new Date(ms).toISOString().replace('Z', '000Z')}'`

/** A symbol column starts for this many values and grows by itself. */
const capacityOf = (type: string, name: string): string =>
  type === 'SYMBOL' ? ` CAPACITY ${name === 'device' ? 4096 : 256} CACHE` : ''

export const columnSql = (name: string, type: string): string => `${quoted(name)} ${type}${capacityOf(type, name)}`

export type TableShape = {
  readonly table: string
  readonly columns: readonly (readonly [name: string, type: string])[]
  readonly dedupKeys: readonly string[]
  readonly partitionBy: string
  /** As SQL says it, and as `lengthOf` gives it. */
  readonly ttl: { readonly sql: string; readonly length: string }
}

export const keysSql = (keys: readonly string[]): string => keys.map(quoted).join(', ')

export const createTableSql = ({ table, columns, dedupKeys, partitionBy, ttl }: TableShape): string =>
  `CREATE TABLE ${quoted(table)} (${columns.map(([name, type]) => columnSql(name, type)).join(', ')}) ` +
  `TIMESTAMP(ts) PARTITION BY ${partitionBy} TTL ${ttl.sql} WAL DEDUP UPSERT KEYS(${keysSql(dedupKeys)})`

/** What a rollup holds of one measurement, as its view selects it. A Boolean is never absent in QuestDB, so its count is that of rows. */
export const foldsOf = ({ name, type }: Measured): readonly string[] => {
  const column = quoted(name)
  const as = (expression: string, fold: Parameters<typeof rollupColumn>[1]) =>
    `${expression} ${quoted(rollupColumn(name, fold))}`
  if (type === 'Boolean') return [as(`last(${column})`, 'last'), as('count()', 'count')]
  const both = [as(`last_not_null(${column})`, 'last'), as(`count(${column})`, 'count')]
  if (type !== 'Double' && type !== 'Long') return both
  return [as(`min(${column})`, 'min'), as(`max(${column})`, 'max'), as(`avg(${column})`, 'avg'), ...both]
}

export type ViewShape = {
  readonly view: string
  readonly table: string
  readonly every: string
  readonly measurements: readonly Measured[]
  /** First step it may hold, ms since the epoch; what lies before is kept by older generations. */
  readonly floorMs?: number | undefined
  readonly partitionBy: ViewPartition
  readonly ttl: string
}

export type ViewPartition = 'DAY' | 'MONTH'

export const viewTail = (every: string): string => ` SAMPLE BY ${every}`
export const viewSource = (table: string): string => ` FROM ${quoted(table)} `

export const createViewSql = ({ view, table, every, measurements, floorMs, partitionBy, ttl }: ViewShape): string => {
  const select = ['ts', 'device', ...measurements.flatMap(foldsOf)].join(', ')
  const floor = floorMs === undefined ? '' : `WHERE ts >= ${isoMicros(floorMs)}`
  const query = `SELECT ${select}${viewSource(table)}${floor}`.trimEnd()
  return (
    `CREATE MATERIALIZED VIEW ${quoted(view)} WITH BASE ${quoted(table)} REFRESH IMMEDIATE AS ` +
    `(${query}${viewTail(every)}) PARTITION BY ${partitionBy} TTL ${ttl}`
  )
}

/** Marks of what is ours. A plain table, so that a mark can be read as soon as it is written. */
export const createMarksSql = (marks: string): string =>
  `CREATE TABLE IF NOT EXISTS ${quoted(marks)} (ts TIMESTAMP, table_name SYMBOL, uid VARCHAR, namespace VARCHAR, name VARCHAR, dropped BOOLEAN) ` +
  'TIMESTAMP(ts) PARTITION BY YEAR BYPASS WAL'

export type Mark = { readonly table: string; readonly uid: string; readonly namespace: string; readonly name: string }

export const markSql = (marks: string, { table, uid, namespace, name }: Mark, dropped = false): string =>
  `INSERT INTO ${quoted(marks)} VALUES (systimestamp(), ${[table, uid, namespace, name].map(text).join(', ')}, ${dropped})`

export const readMarksSql = (marks: string): string =>
  `SELECT table_name, uid, namespace, name, dropped FROM ${quoted(marks)} LATEST ON ts PARTITION BY table_name`
