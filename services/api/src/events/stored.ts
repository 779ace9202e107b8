/** Stored events: what is asked of the events table, and how a row is shown. */
import { EVENT_SEVERITIES, EVENT_TYPE } from '@fleetloom/shared/events/event'
import { eventsTableOf } from '@fleetloom/shared/events/row'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { QueryRow } from '@fleetloom/shared/questdb/query'
import { quoted, text } from '@fleetloom/shared/questdb/sql-text'
import { microsOfText } from '@fleetloom/shared/rows/timestamp'
import { z } from 'zod'
import { deviceId, pageLimit } from '../http/params.ts'
import { isoOfMicros } from './time.ts'

const time = z.string().transform((given, ctx) => {
  const micros = microsOfText(given)
  if (micros !== undefined) return micros
  ctx.addIssue({ code: 'custom', message: 'must be a time such as 2026-01-31T12:00:00Z' })
  return z.NEVER
})

/** `from` is included, `to` is not. */
export const eventQuery = z.strictObject({
  from: time.optional(),
  to: time.optional(),
  device: deviceId.optional(),
  type: z.string().regex(EVENT_TYPE, "must be 1 to 64 letters, digits, '_', '.' and '-'").optional(),
  severity: z.enum(EVENT_SEVERITIES).optional(),
  limit: pageLimit(1000, 100),
})

export type EventQuery = z.output<typeof eventQuery>

const DAY_MICROS = 86_400e6

const whereOf = (fleet: string, query: EventQuery, nowMicros: number): string[] => {
  const { from = (query.to ?? nowMicros) - DAY_MICROS, to } = query
  const equal = (['device', 'type', 'severity'] as const).flatMap((column) => {
    const value = query[column]
    return value === undefined ? [] : [`${quoted(column)} = ${text(value)}`]
  })
  return [
    `fleet = ${text(fleet)}`,
    `ts >= ${text(isoOfMicros(from))}`,
    ...(to === undefined ? [] : [`ts < ${text(isoOfMicros(to))}`]),
    ...equal,
  ]
}

/** The query for a fleet's events, newest first; of the day before `to`, or before now, when no `from` is given. */
export const eventsSql = (fleet: FleetDocument, query: EventQuery, nowMicros: number): string =>
  'SELECT ts, device, type, severity, "user", address, metadata, cast(digest AS VARCHAR) digest ' +
  `FROM ${quoted(eventsTableOf(fleet))} WHERE ${whereOf(fleet.name, query, nowMicros).join(' AND ')} ` +
  `ORDER BY ts DESC, digest LIMIT ${query.limit}`

const storedEvent = z.object({
  ts: z.string(),
  device: z.string(),
  type: z.string(),
  severity: z.string(),
  user: z.string().nullable(),
  address: z.string().nullable(),
  metadata: z.string().nullable(),
  digest: z.string(),
})

/** A row as the API shows it: what is null is left out, metadata is an object. */
export const eventView = (row: QueryRow) => {
  const { ts, device, type, severity, user, address, metadata, digest } = storedEvent.parse(row)
  return {
    ...{ ts, device, type, severity },
    ...(user !== null && { user }),
    ...(address !== null && { address }),
    ...(metadata !== null && { metadata: JSON.parse(metadata) as unknown }),
    digest,
  }
}
