import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import { label, type Ref } from '@fleetloom/crds/names'
import { report } from '../loop/converge.ts'
import type { KindDefinition, RemovalStep } from '../loop/kind.ts'
import type { Resource, Source } from '../source/source.ts'
import { ownDocument } from '../targets/pipeline/documents.ts'
import { fleetOf, gatherFacts, type RuleDeps, type RuleFacts, shardsOf } from './facts.ts'
import { shownOf } from './reports.ts'
import { ruleSteps } from './steps.ts'

/** Rules of a fleet, in no order. */
export const rulesOf = async (
  { source }: { readonly source: Pick<Source, 'list'> },
  fleet: Ref,
): Promise<Resource<AlertRuleSpec>[]> => {
  const rules = (await source.list('AlertRule')) as readonly Resource<AlertRuleSpec>[]
  return rules.filter((rule) => label(fleetOf(rule)) === label(fleet))
}

/** When the document goes, the alerter resolves what fires. */
const removal = ({ documents, alerter }: RuleDeps): readonly RemovalStep<AlertRuleSpec, RuleFacts>[] => [
  {
    needs: ['nats'],
    run: async (work) => {
      const { metadata } = work.resource
      if (!ownDocument(documents.read(metadata), metadata)) return
      await documents.remove(metadata)
      const change = { reason: 'Removed', message: 'the document', expected: true } as const
      await report(work, 'Ready', 'pipeline', [change])
    },
  },
  {
    needs: ['broker'],
    run: async ({ resource: { metadata } }) => {
      alerter.withdraw(metadata)
      await alerter.converge()
    },
  },
]

/** What an AlertRule means. */
export const alertRule = (deps: RuleDeps): KindDefinition<AlertRuleSpec, RuleFacts> => ({
  kind: 'AlertRule',
  carriesSuspend: true,
  related: async (changed, ref) =>
    changed === 'DeviceFleet' ? (await rulesOf(deps, ref)).map(({ metadata }) => metadata) : [],
  gather: gatherFacts(deps),
  steps: ruleSteps(deps),
  extras: async ({ resource: { metadata, status } }, facts) => ({
    observed: [],
    ...shownOf(shardsOf(deps, facts), metadata.uid, status),
  }),
  removal: removal(deps),
})
