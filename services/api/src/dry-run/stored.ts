/** The stored history of a fleet as the engine reads it: rows of line protocol, in order of time, readings and events merged. */
import { namesOf } from '@fleetloom/crds/names'
import { instant } from '@fleetloom/shared/alerts/instant'
import type { FleetDocument, Measurement } from '@fleetloom/shared/pipeline/fleet-document'
import type { CsvRecord } from '@fleetloom/shared/questdb/csv'
import type { Export } from '@fleetloom/shared/questdb/export'
import { QueryFailed } from '@fleetloom/shared/questdb/query'
import { quoted, text } from '@fleetloom/shared/questdb/sql-text'
import { escapeName, quotedText } from '@fleetloom/shared/rows/line-protocol'
import { type Entry, merged, pagesOf, type Range } from './in-order.ts'
import type { Trial } from './trial.ts'

/** A table to read. */
type Source = {
  readonly table: string
  /** Beside time, device and digest. */
  readonly columns: readonly string[]
  readonly where: readonly string[]
  readonly entry: (record: CsvRecord) => Entry
}

export type StoredOptions = {
  readonly query: Export
  readonly trial: Pick<Trial, 'fleet' | 'measurements' | 'events'>
  /** Whose rows are read; all when left out. */
  readonly devices?: readonly string[] | undefined
  readonly signal: AbortSignal
}

/** Columns that every query begins with. */
const HEAD = 'cast(ts AS LONG) micros, device, digest'

const FIELDS: Readonly<Record<Measurement['type'], (value: string) => string>> = {
  Double: (value) => String(Number(value)),
  Long: (value) => `${value}i`,
  Boolean: (value) => (value === 'true' ? 't' : 'f'),
  Symbol: quotedText,
  String: quotedText,
}

/** One line of line protocol; its time is given in µs. */
const lineOf = (head: string, fields: string, { micros, digest }: { micros: string; digest: string }): string =>
  `${head} ${fields}digest=${digest}i ${micros}000\n`

const readingOf = (fleet: FleetDocument, measurements: readonly Measurement[]): Source['entry'] => {
  const table = escapeName(fleet.table)
  return ([micros = '', device = '', digest = '', ...values]) => {
    const fields = measurements.map(({ name, type }, i) => {
      const value = values[i]
      return value === undefined ? '' : `${name}=${FIELDS[type](value)},`
    })
    const line = lineOf(`${table},device=${device}`, fields.join(''), { micros, digest })
    return { kind: 'reading', micros: Number(micros), device, line }
  }
}

const eventOf = (table: string, fleet: string): Source['entry'] => {
  const head = `${escapeName(table)},fleet=${fleet},device=`
  return ([micros = '', device = '', digest = '', type = '']) => {
    const line = lineOf(`${head}${device},type=${escapeName(type)}`, '', { micros, digest })
    return { kind: 'event', micros: Number(micros), device, line }
  }
}

const isOneOf = (column: string, values: readonly string[]): string =>
  `${quoted(column)} IN (${values.map(text).join(', ')})`

const readings = ({ trial: { fleet, measurements }, devices }: StoredOptions): Source => ({
  table: fleet.table,
  columns: measurements.map(({ name }) => name),
  where: devices === undefined ? [] : [isOneOf('device', devices)],
  entry: readingOf(fleet, measurements),
})

const events = ({ trial: { fleet, events: types }, devices }: StoredOptions): Source => {
  const table = namesOf(fleet.installation).eventsTable(fleet.namespace)
  return {
    ...{ table, columns: ['type'], entry: eventOf(table, fleet.name) },
    where: [
      `fleet = ${text(fleet.name)}`,
      ...(devices === undefined ? [] : [isOneOf('device', devices)]),
      ...(types === 'all' ? [] : [isOneOf('type', types)]),
    ],
  }
}

const pageSql = ({ table, columns, where }: Source, { from, to }: Range, limit: number): string => {
  const conditions = [`ts >= ${text(instant(from))}`, `ts < ${text(instant(to))}`, ...where]
  return (
    `SELECT ${[HEAD, ...columns.map(quoted)].join(', ')} FROM ${quoted(table)} ` +
    `WHERE ${conditions.join(' AND ')} ORDER BY ts LIMIT ${limit}`
  )
}

const entriesOf = (source: Source, range: Range, { query, signal }: StoredOptions): AsyncIterable<readonly Entry[]> =>
  pagesOf(range.from, async function* (from, limit) {
    for await (const records of query(pageSql(source, { from, to: range.to }, limit), signal))
      yield records.map(source.entry)
  })

async function* nothing(): AsyncGenerator<readonly Entry[]> {
  yield []
}

/** A table that is not there holds nothing: a namespace has an events table only once a fleet of it is set up. */
async function* ifThere(entries: AsyncIterable<readonly Entry[]>): AsyncGenerator<readonly Entry[]> {
  try {
    yield* entries
  } catch (error) {
    if (!(error instanceof QueryFailed && /table does not exist/.test(error.message))) throw error
  }
}

/** What the rule of a trial has to be shown, in order of time, in some pieces. @throws QueryFailed, and the signal's reason */
export const storedEntries = (range: Range, options: StoredOptions): AsyncIterable<readonly Entry[]> => {
  if (options.devices?.length === 0) return nothing()
  const rows = entriesOf(readings(options), range, options)
  const { events: types } = options.trial
  if (types !== 'all' && types.length === 0) return rows
  return merged(rows, ifThere(entriesOf(events(options), range, options)))
}
