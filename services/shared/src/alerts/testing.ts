/** The document of a rule as tests and benches want it: what the operator makes of a rule with the defaults, and their changes. */
import { namesOf, type Ref } from '@fleetloom/crds/names'
import type { RuleDocument } from './rule-document.ts'

type Change = Partial<RuleDocument> & Pick<RuleDocument, 'name'>

/** A rule of the default installation: `last(temperature) > 8.0` at once, and nobody is told. */
export const ruleDocumentOf = (fleet: Ref, { name, ...changes }: Change): RuleDocument => ({
  version: '1.0',
  installation: namesOf().installation,
  namespace: fleet.namespace,
  name,
  uid: `uid-${name}`,
  generation: 1,
  phase: 'Active',
  fleet: fleet.name,
  suspend: false,
  selector: { matchLabels: {}, matchExpressions: [] },
  when: 'last(temperature) > 8.0',
  forMs: 0,
  forReadings: 1,
  keepFiringForMs: 0,
  severity: 'critical',
  labels: {},
  annotations: {},
  notify: [],
  ...changes,
})
