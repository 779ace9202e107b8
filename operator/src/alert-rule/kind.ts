import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import { label, type Ref } from '@fleetloom/crds/names'
import type { KindDefinition } from '../loop/kind.ts'
import type { Resource, Source } from '../source/source.ts'
import { fleetOf, gatherFacts, type RuleDeps, type RuleFacts, shardsOf } from './facts.ts'
import { ruleRemoval } from './removal.ts'
import { missingReceivers, shownOf } from './reports.ts'
import { ruleSteps } from './steps.ts'

/** Rules of a fleet, in no order. */
export const rulesOf = async (
  { source }: { readonly source: Pick<Source, 'list'> },
  fleet: Ref,
): Promise<Resource<AlertRuleSpec>[]> => {
  const rules = (await source.list('AlertRule')) as readonly Resource<AlertRuleSpec>[]
  return rules.filter((rule) => label(fleetOf(rule)) === label(fleet))
}

/** What an AlertRule means. */
export const alertRule = (deps: RuleDeps): KindDefinition<AlertRuleSpec, RuleFacts> => ({
  kind: 'AlertRule',
  carriesSuspend: true,
  related: async (changed, ref) =>
    changed === 'DeviceFleet' ? (await rulesOf(deps, ref)).map(({ metadata }) => metadata) : [],
  gather: gatherFacts(deps),
  steps: ruleSteps(deps),
  extras: async ({ resource: { metadata, spec, status } }, facts) => {
    const shards = shardsOf(deps, facts)
    return { observed: missingReceivers(spec, shards), ...shownOf(shards, metadata.uid, status) }
  },
  removal: ruleRemoval(deps),
})
