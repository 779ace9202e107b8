/** From a rule's spec to the document that the alerter follows, and that a dry run judges by. Pure: the same spec and receivers give the same bytes. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { Names } from '@fleetloom/crds/names'
import { durationMs } from '@fleetloom/crds/units'
import type { Receiver, RuleDocument } from './rule-document.ts'

export type RuleToCompile = {
  readonly metadata: Pick<RuleDocument, 'namespace' | 'name' | 'uid' | 'generation'>
  readonly spec: Omit<AlertRuleSpec, 'notify'>
}

export const compileRule = (
  { metadata, spec }: RuleToCompile,
  notify: readonly Receiver[],
  { installation }: Pick<Names, 'installation'>,
): RuleDocument => ({
  version: '1.0',
  installation,
  namespace: metadata.namespace,
  name: metadata.name,
  uid: metadata.uid,
  generation: metadata.generation,
  phase: 'Active',
  fleet: spec.fleet,
  suspend: spec.suspend,
  selector: {
    matchLabels: spec.selector.matchLabels,
    matchExpressions: spec.selector.matchExpressions.map(({ key, operator, values }) => ({ key, operator, values })),
  },
  when: spec.when,
  ...(spec.clearWhen !== undefined && { clearWhen: spec.clearWhen }),
  forMs: durationMs(spec.for),
  forReadings: spec.forReadings,
  keepFiringForMs: durationMs(spec.keepFiringFor),
  severity: spec.severity,
  labels: spec.labels,
  annotations: spec.annotations,
  notify: [...notify],
})
