import type { CountersView } from '@fleetloom/shared/events/counters/answer'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Query, QueryFailed } from '@fleetloom/shared/questdb/query'
import { Hono } from 'hono'
import type { Fleets } from '../fleets.ts'
import { readBytes, readQuery, requireMediaType } from '../http/body.ts'
import type { ApiEnv } from '../http/env.ts'
import { fleetOf } from '../http/params.ts'
import { Problem } from '../http/problem.ts'
import { allow } from '../keys/authenticate.ts'
import type { EventPoster } from './poster.ts'
import { eventQuery, eventsSql, eventView } from './stored.ts'
import { isoOfMicros } from './time.ts'

export type EventParts = {
  readonly fleets: Pick<Fleets, 'get' | 'getActive'>
  readonly events: {
    readonly poster: Pick<EventPoster, 'post'>
    /** @throws Problem when not all of the fleet is counted. */
    readonly counters: (document: FleetDocument) => Promise<CountersView>
    /** Undefined while no database is set up. */
    readonly query: Query | undefined
    /** ms since the epoch. */
    readonly now: () => number
  }
}

const MAX_EVENTS_BYTES = 512 * 1024

const unavailable = (detail: string, next: string): Problem => new Problem('unavailable', detail, { next })

const run = async (query: Query | undefined, sql: string) => {
  if (query === undefined)
    throw unavailable('the api knows of no database', 'Set QUESTDB_URL, QUESTDB_USER and QUESTDB_PASSWORD_FILE for it.')
  try {
    return await query(sql)
  } catch (error) {
    if (error instanceof QueryFailed) throw unavailable(error.message, 'Send it again in a while.')
    throw error
  }
}

/** `/v1/namespaces/:namespace/fleets/:fleet/events` */
export const eventRoutes = ({ fleets, events: { poster, counters, query, now } }: EventParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .post('/', allow('events:write'), async (c) => {
      requireMediaType(c, 'application/json')
      const document = await fleets.getActive(fleetOf(c))
      const posted = await poster.post(document, await readBytes(c, MAX_EVENTS_BYTES))
      const shown = posted.map(({ device, micros, digest }) => ({
        device,
        ts: isoOfMicros(micros),
        digest: String(digest),
      }))
      return c.json({ accepted: shown.length, events: shown }, 202)
    })
    .get('/', allow('events:read'), async (c) => {
      const fleet = fleetOf(c)
      const wanted = readQuery(c, eventQuery)
      const document = await fleets.get(fleet)
      const rows = await run(query, eventsSql(document, wanted, now() * 1000))
      return c.json({ items: rows.map(eventView) })
    })
    .get('/counters', allow('events:read'), async (c) => c.json(await counters(await fleets.get(fleetOf(c)))))
