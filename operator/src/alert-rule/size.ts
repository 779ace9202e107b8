/** How long a rule may be: the documents of all rules and fleets share one bucket, and a full one takes nobody's. Pure. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { RuleFault } from './check.ts'

/** As JSON, in UTF-8. The document is the spec with little more than the sealed secrets of its receivers. */
export const MAX_RULE_BYTES = 32 * 1024

export const sizeFaults = (spec: AlertRuleSpec): readonly RuleFault[] => {
  const bytes = Buffer.byteLength(JSON.stringify(spec))
  if (bytes <= MAX_RULE_BYTES) return []
  const message = `is ${bytes} bytes long as JSON, and ${MAX_RULE_BYTES} are the most; shorten annotations, labels or the selector`
  return [{ field: 'spec', message }]
}
