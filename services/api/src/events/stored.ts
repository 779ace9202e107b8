/** Stored events: what is asked of the events table, and how a row is shown. */
import { EVENT_SEVERITIES, EVENT_TYPE } from '@fleetloom/shared/events/event'
import { eventsTableOf } from '@fleetloom/shared/events/row'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { QueryRow } from '@fleetloom/shared/questdb/query'
import { quoted, text } from '@fleetloom/shared/questdb/sql-text'
import { microsOfText } from '@fleetloom/shared/rows/timestamp'
import { z } from 'zod'
import { deviceId, oneOf, pageLimit } from '../http/params.ts'
import { isoOfMicros } from './time.ts'

const time = z.string().transform((given, ctx) => {
  const micros = microsOfText(given)
  if (micros !== undefined) return micros
  ctx.addIssue({ code: 'custom', message: 'must be a time such as 2026-01-31T12:00:00Z' })
  return z.NEVER
})

const TOKEN = /^e[0-9]{1,16}_(-?[0-9]{1,19})$/

const isToken = (text: string): boolean => {
  const digest = BigInt(TOKEN.exec(text)?.[1] ?? 2n ** 64n)
  return BigInt.asIntN(64, digest) === digest
}

/** Opaque to the caller: where the page before ended. */
const eventToken = z
  .string()
  .refine(isToken, 'must be the `continue` of the page before')
  .transform((token) => {
    const [micros = '', digest = ''] = token.slice(1).split('_')
    return { micros: Number(micros), digest }
  })

/** `from` is included, `to` is not. */
export const eventQuery = z.strictObject({
  from: time.optional(),
  to: time.optional(),
  device: deviceId.optional(),
  type: z.string().regex(EVENT_TYPE, "must be 1 to 64 letters, digits, '_', '.' and '-'").optional(),
  severity: oneOf(EVENT_SEVERITIES).optional(),
  limit: pageLimit(1000, 100),
  continue: eventToken.optional(),
})

export type EventQuery = z.output<typeof eventQuery>

const DAY_MICROS = 86_400e6

/** The rows after the last one of the page before: newest first, and those of one time in the order of their digests. */
const after = ({ micros, digest }: NonNullable<EventQuery['continue']>): string => {
  const ts = text(isoOfMicros(micros))
  return `ts <= ${ts} AND (ts < ${ts} OR digest > ${digest}L)`
}

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
    ...(query.continue === undefined ? [] : [after(query.continue)]),
  ]
}

/**
 * The query for a fleet's events, newest first, one more than the page holds; of the day before `to`, or before now, when no `from`
 * is given.
 */
export const eventsSql = (fleet: FleetDocument, query: EventQuery, nowMicros: number): string =>
  'SELECT ts, cast(ts AS LONG) micros, device, type, severity, "user", address, metadata, cast(digest AS VARCHAR) id ' +
  `FROM ${quoted(eventsTableOf(fleet))} WHERE ${whereOf(fleet.name, query, nowMicros).join(' AND ')} ` +
  `ORDER BY ts DESC, digest LIMIT ${query.limit + 1}`

const storedEvent = z.object({
  ts: z.string(),
  micros: z.number(),
  device: z.string(),
  type: z.string(),
  severity: z.string(),
  user: z.string().nullable(),
  address: z.string().nullable(),
  metadata: z.string().nullable(),
  id: z.string(),
})

/** A row as the API shows it: what is null is left out, metadata is an object. */
const eventView = ({ ts, device, type, severity, user, address, metadata, id }: z.output<typeof storedEvent>) => ({
  ...{ ts, device, type, severity },
  ...(user !== null && { user }),
  ...(address !== null && { address }),
  ...(metadata !== null && { metadata: JSON.parse(metadata) as unknown }),
  digest: id,
})

/** A page of what the query gave. */
export const eventPage = (rows: readonly QueryRow[], limit: number) => {
  const parsed = rows.map((one) => storedEvent.parse(one))
  const items = parsed.slice(0, limit)
  const last = items.at(-1)
  const isMore = parsed.length > limit && last !== undefined
  return { items: items.map(eventView), ...(isMore && { continue: `e${last.micros}_${last.id}` }) }
}
