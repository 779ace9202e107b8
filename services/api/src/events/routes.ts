import { Hono } from 'hono'
import type { Fleets } from '../fleets.ts'
import { readBytes, requireMediaType } from '../http/body.ts'
import type { ApiEnv } from '../http/env.ts'
import { fleetOf } from '../http/params.ts'
import { allow } from '../keys/authenticate.ts'
import type { EventPoster } from './poster.ts'
import { isoOfMicros } from './time.ts'

export type EventParts = {
  readonly fleets: Pick<Fleets, 'get' | 'getActive'>
  readonly events: { readonly poster: Pick<EventPoster, 'post'> }
}

const MAX_EVENTS_BYTES = 512 * 1024

/** `/v1/namespaces/:namespace/fleets/:fleet/events` */
export const eventRoutes = ({ fleets, events }: EventParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>().post('/', allow('events:write'), async (c) => {
    requireMediaType(c, 'application/json')
    const document = await fleets.getActive(fleetOf(c))
    const posted = await events.poster.post(document, await readBytes(c, MAX_EVENTS_BYTES))
    const shown = posted.map(({ device, micros, digest }) => ({
      device,
      ts: isoOfMicros(micros),
      digest: String(digest),
    }))
    return c.json({ accepted: shown.length, events: shown }, 202)
  })
