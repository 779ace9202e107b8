/** Whether a rule may publish on its topics, beyond what its namespace is granted: what a fleet reads from its devices is theirs. Pure. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import { label, type Ref } from '@fleetloom/crds/names'
import { fillFleet, filterOf, overlaps } from '@fleetloom/crds/topics'
import type { CheckedFleet, RuleFault } from './check.ts'
import { fleetOf } from './facts.ts'

/** Words for the first of these filters that a fleet other than `fleet` has claimed. */
export type Conflict = (fleet: Ref, filters: readonly string[]) => string | undefined

type Rule = Parameters<typeof fleetOf>[0] & { readonly spec: Pick<AlertRuleSpec, 'notify'> }
type Topic = { readonly field: string; readonly filter: string }

const topicsOf = (rule: Rule): readonly Topic[] =>
  rule.spec.notify.flatMap(({ mqtt }, index) => {
    if (!mqtt) return []
    return [{ field: `spec.notify[${index}].mqtt.topic`, filter: filterOf(fillFleet(mqtt.topic, fleetOf(rule))) }]
  })

/** Topics from which the rule's own fleet takes readings or events. */
export const ownTopicFaults = (rule: Rule, fleet: CheckedFleet | undefined): readonly RuleFault[] => {
  const ref = fleetOf(rule)
  const read = [...(fleet?.topics.telemetry ?? []), ...(fleet?.topics.events ?? [])]
  return topicsOf(rule).flatMap(({ field, filter }) => {
    const met = read.find((pattern) => overlaps(filter, filterOf(fillFleet(pattern, ref))))
    if (met === undefined) return []
    const why = `an alert there would be stored in the name of a device of fleet ${label(ref)}`
    return [{ field, message: `${filter} overlaps with ${met}: ${why}; use another topic` }]
  })
}

/** Every topic of a rule that is not its to use. */
export const topicFaults = (
  rule: Rule,
  { fleet, conflict }: { readonly fleet: CheckedFleet | undefined; readonly conflict: Conflict },
): readonly RuleFault[] => [
  ...ownTopicFaults(rule, fleet),
  ...topicsOf(rule).flatMap(({ field, filter }) => {
    const message = conflict(fleetOf(rule), [filter])
    return message === undefined ? [] : [{ field, message }]
  }),
]
