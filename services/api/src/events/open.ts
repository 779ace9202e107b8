import type { Nats } from '@fleetloom/shared/nats'
import type { Query } from '@fleetloom/shared/questdb/query'
import type { Registry } from '@fleetloom/shared/registry/registry'
import { askCounters } from './ask-counters.ts'
import { EventPoster } from './poster.ts'
import type { EventParts } from './routes.ts'

/** What the routes of events need. */
export const openEvents = ({
  nats,
  registry,
  database,
}: {
  readonly nats: Nats
  readonly registry: Pick<Registry, 'get'>
  readonly database: Query | undefined
}): EventParts['events'] => ({
  poster: new EventPoster({ js: nats.js, registry, now: Date.now }),
  counters: (document) => askCounters(document, nats),
  query: database,
  now: Date.now,
})
