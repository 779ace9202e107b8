/**
 * For which filters there is room in the alerter's account, which all rules share: a broker takes so many of one account, and beyond that
 * refuses them all. So a namespace has a share of its own, whoever comes first in it keeps what it has, and who comes too late is left
 * out alone. Pure.
 */
import { filterFor } from '@fleetloom/shared/broker/acl'
import { MOST_FILTERS } from '@fleetloom/shared/broker/broker'

/** Distinct filters of one namespace. */
export const MOST_OF_NAMESPACE = 20

/** While rules change, the filters of before and after are both there. */
const MOST_MEANWHILE = 2 * MOST_OF_NAMESPACE

/** What rules publish on. */
export type Topics = { readonly namespace: string; readonly filters: readonly string[] }

/** The filter of a rule's topic, for any device; on topics of their own one for all fleets of the namespace: `fleets/NS/+/+/alerts`. */
export const alertFilter = (topic: string): string => {
  const levels = filterFor(topic, '+').split('/')
  return (levels[0] === 'fleets' ? levels.with(2, '+') : levels).join('/')
}

const filtersOf = (all: readonly Topics[]): Set<string> => new Set(all.flatMap(({ filters }) => filters))

/** The filters for which there is no room beside those of the other rules. */
export const crowdedOut = ({ namespace, filters }: Topics, others: readonly Topics[]): readonly string[] => {
  const near = filtersOf(others.filter((one) => one.namespace === namespace))
  const all = filtersOf(others)
  return [...new Set(filters)].filter((filter) => {
    if (near.has(filter)) return false
    if (near.size >= MOST_OF_NAMESPACE || all.size >= MOST_FILTERS) return true
    near.add(filter)
    all.add(filter)
    return false
  })
}

/** All filters, bounded whatever the rules say. */
export const boundedFilters = (all: readonly Topics[]): readonly string[] => {
  const byNamespace = Map.groupBy(all, ({ namespace }) => namespace)
  const bounded = [...byNamespace.values()].flatMap((topics) => [...filtersOf(topics)].slice(0, MOST_MEANWHILE))
  return bounded.slice(0, MOST_FILTERS)
}

/** Words for topics that were left out. */
export const crowdedText = (topics: readonly string[], namespace: string): string =>
  `no alert is published on ${topics.join(', ')}: the rules of namespace ${namespace} publish on ${MOST_OF_NAMESPACE} other topics, which is ` +
  'the most, or those of all namespaces on as many as the broker takes; use a topic that another rule of the namespace uses'
