/** Builders of what tests of rules compare. */
import { type AlertRuleInput, type AlertRuleSpec, alertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { AppliedDocument, RuleReport } from '@fleetloom/shared/pipeline/applied-document'
import type { Resource } from '../source/source.ts'

export const aRule = (
  spec: Partial<AlertRuleInput> = {},
  metadata: Partial<Resource['metadata']> = {},
): Resource<AlertRuleSpec> => ({
  kind: 'AlertRule',
  metadata: {
    ...{ namespace: 'cold', name: 'too-warm', uid: 'r-1', generation: 2, finalizers: [], annotations: {} },
    ...metadata,
  },
  spec: alertRuleSpec.parse({ fleet: 'reefers', when: 'last(temperature) > 8.0', ...spec }),
})

export const aRuleReport = (change: Partial<RuleReport> = {}): RuleReport => ({
  ...{ uid: 'r-1', generation: 2, firing: 0, pending: 0 },
  ...change,
})

/** A report of one shard of the alerter. */
export const aShard = (rules: readonly RuleReport[], change: Partial<AppliedDocument> = {}): AppliedDocument => ({
  ...{ version: '1.0', replica: 'alerter-0', uid: 'f-1', generation: 1, state: 'Evaluating', atMs: 0, observed: [] },
  rules: [...rules],
  ...change,
})
