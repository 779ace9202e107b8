import { namesOf } from '@fleetloom/crds/names'
import type { FleetDocument } from '../pipeline/fleet-document.ts'
import type { Acl } from './broker.ts'

/** A pattern with `{device}` filled in and `{measurement}` as a wildcard level. */
export const filterFor = (pattern: string, device: string): string =>
  pattern.replaceAll('{device}', device).replaceAll('{measurement}', '+')

/** What a device of this fleet may do now. Pure, so the api and the operator always agree. */
export const aclOf = ({ grants }: { readonly grants: Acl }, device: string): Acl => ({
  publish: grants.publish.map((pattern) => filterFor(pattern, device)),
  subscribe: grants.subscribe.map((pattern) => filterFor(pattern, device)),
})

/** What a disabled device may do. */
export const NO_ACCESS: Acl = { publish: [], subscribe: [] }

/** Topic of an ingest session's probe: what it publishes there comes back behind all that the broker held before. */
export const probeTopic = (ingestUser: string): string => `fleetloom/sessions/${ingestUser}/probe`

/** Filters that ingest subscribes for a fleet. Several sessions share each filter in a group named after the fleet's first session. */
export const ingestFilters = (
  document: Pick<FleetDocument, 'topics' | 'sessions' | 'installation' | 'namespace' | 'name'>,
): string[] => {
  const filters = [...document.topics.telemetry, ...document.topics.events].map((pattern) => filterFor(pattern, '+'))
  if (document.sessions === 1) return filters
  const group = namesOf(document.installation).ingestUser(document)
  return filters.map((filter) => `$share/${group}/${filter}`)
}

/** What one ingest session may do: take the fleet's messages, probe itself, tell devices of rejected messages. */
export const ingestAcl = (
  document: Pick<FleetDocument, 'topics' | 'sessions' | 'installation' | 'namespace' | 'name'>,
  session: number,
): Acl => {
  const probe = probeTopic(namesOf(document.installation).ingestUser(document, session))
  return { publish: [probe, filterFor(document.topics.errors, '+')], subscribe: [probe, ...ingestFilters(document)] }
}
