import type { Nats } from '@fleetloom/shared/nats'
import { type QuerySettings, questdbQuery } from '@fleetloom/shared/questdb/query'
import type { Registry } from '@fleetloom/shared/registry/registry'
import { askCounters } from './ask-counters.ts'
import { EventPoster } from './poster.ts'
import type { EventParts } from './routes.ts'

type Settings = Omit<QuerySettings, 'questdbUrl'> & { readonly questdbUrl?: string | undefined }

/** What the routes of events need. */
export const openEvents = (
  { questdbUrl, ...login }: Settings,
  { nats, registry }: { readonly nats: Nats; readonly registry: Pick<Registry, 'get'> },
): EventParts['events'] => ({
  poster: new EventPoster({ js: nats.js, registry, now: Date.now }),
  counters: (document) => askCounters(document, nats),
  query: questdbUrl === undefined ? undefined : questdbQuery({ ...login, questdbUrl }),
  now: Date.now,
})
