import type { CountersView } from '@fleetloom/shared/events/counters/answer'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Query } from '@fleetloom/shared/questdb/query'
import { Hono } from 'hono'
import { rowsOf } from '../database.ts'
import type { Fleets } from '../fleets.ts'
import { readBytes, readQuery, requireMediaType } from '../http/body.ts'
import type { ApiEnv } from '../http/env.ts'
import { fleetOf } from '../http/params.ts'
import { allow } from '../keys/authenticate.ts'
import type { EventPoster } from './poster.ts'
import { eventPage, eventQuery, eventsSql } from './stored.ts'
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
      const rows = await rowsOf(query, eventsSql(document, wanted, now() * 1000))
      return c.json(eventPage(rows, wanted.limit))
    })
    .get('/counters', allow('events:read'), async (c) => c.json(await counters(await fleets.get(fleetOf(c)))))
