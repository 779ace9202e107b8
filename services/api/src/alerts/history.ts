/** The history of alerts: what is asked of the alerts' table, and how a row is shown. */
import { instant } from '@fleetloom/shared/alerts/instant'
import type { QueryRow } from '@fleetloom/shared/questdb/query'
import { quoted, text } from '@fleetloom/shared/questdb/sql-text'
import { z } from 'zod'
import { type HistoryQuery, historyTokenOf } from './schema.ts'

const time = (micros: number): string => text(instant(micros))

const equals = (query: HistoryQuery): string[] =>
  (['fleet', 'rule', 'device', 'severity'] as const).flatMap((column) => {
    const value = query[column]
    return value === undefined ? [] : [`${quoted(column)} = ${text(value)}`]
  })

/** The rows after the last one of the page before, newest first. */
const after = ({ micros, id }: NonNullable<HistoryQuery['continue']>): string =>
  `(ts < ${time(micros)} OR (ts = ${time(micros)} AND id > ${text(id)}))`

const whereOf = (scope: '*' | readonly string[], query: HistoryQuery): string[] => [
  ...(scope === '*' ? [] : [`namespace IN (${scope.map(text).join(', ')})`]),
  ...equals(query),
  ...(query.state === undefined ? [] : [`${quoted('to')} = ${text(query.state)}`]),
  ...(query.from === undefined ? [] : [`ts >= ${time(query.from * 1000)}`]),
  ...(query.to === undefined ? [] : [`ts < ${time(query.to * 1000)}`]),
  ...(query.continue === undefined ? [] : [`ts <= ${time(query.continue.micros)}`, after(query.continue)]),
]

/** One row more than the page holds, to know whether there is another. A scope without a namespace is the caller's to refuse. */
export const historySql = (table: string, scope: '*' | readonly string[], query: HistoryQuery): string => {
  const where = whereOf(scope, query)
  return (
    'SELECT cast(ts AS LONG) micros, id, namespace, fleet, rule, device, "from", "to", cause, severity, value, ' +
    `cast(firing_since AS LONG) firing_since, labels, annotations FROM ${quoted(table)}` +
    `${where.length === 0 ? '' : ` WHERE ${where.join(' AND ')}`} ORDER BY ts DESC, id LIMIT ${query.limit + 1}`
  )
}

const row = z.object({
  micros: z.number(),
  id: z.string(),
  namespace: z.string(),
  fleet: z.string(),
  rule: z.string(),
  device: z.string(),
  from: z.string(),
  to: z.string(),
  cause: z.string(),
  severity: z.string(),
  value: z.number().nullable(),
  firing_since: z.number().nullable(),
  labels: z.string().nullable(),
  annotations: z.string().nullable(),
})

const viewOf = ({ micros, value, firing_since: since, labels, annotations, ...rest }: z.output<typeof row>) => ({
  ...rest,
  at: instant(micros),
  ...(value === null ? {} : { value }),
  ...(since === null ? {} : { firingSince: instant(since) }),
  labels: JSON.parse(labels ?? '{}') as unknown,
  annotations: JSON.parse(annotations ?? '{}') as unknown,
})

/** A page of what the query gave. */
export const historyPage = (rows: readonly QueryRow[], limit: number) => {
  const parsed = rows.map((one) => row.parse(one))
  const items = parsed.slice(0, limit)
  const last = items.at(-1)
  return { items: items.map(viewOf), ...(parsed.length > limit && last ? { continue: historyTokenOf(last) } : {}) }
}
