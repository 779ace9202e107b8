/** What is wrong with a rule beyond its schema: said in the same words at admission and in its conditions. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import { checkExpression, type Fault, readsOnlySilence, type Schema } from './expression.ts'
import { checkLabelTemplate, checkTemplate } from './template.ts'

type Checked = Pick<AlertRuleSpec, 'when' | 'forReadings' | 'labels' | 'annotations'> & {
  readonly clearWhen?: string | undefined
}

/** `field` is a path such as `spec.when` or `spec.annotations.summary`. */
export type RuleFault = Fault & { readonly field: string }

const at = (field: string, fault: Fault | undefined): readonly RuleFault[] => (fault ? [{ field, ...fault }] : [])

const labels = (texts: Readonly<Record<string, string>>): readonly RuleFault[] =>
  Object.entries(texts).flatMap(([name, text]) => at(`spec.labels.${name}`, checkLabelTemplate(text)))

const annotations = (texts: Readonly<Record<string, string>>): readonly RuleFault[] =>
  Object.entries(texts).flatMap(([name, text]) => at(`spec.annotations.${name}`, checkTemplate(text)))

/** Silence brings no readings that could be counted: such a rule would never fire. */
const checkReadings = ({ when, forReadings }: Checked): Fault | undefined => {
  if (forReadings <= 1 || !readsOnlySilence(when)) return undefined
  const message = `${forReadings} readings in a row are never met, as \`when\` holds while none come: offline and absent tell silence; leave forReadings out, and write how long it must hold in for`
  return { message, line: 1, column: 1, length: 0 }
}

/**
 * All faults of a rule, at most one per field. Without a fleet only what can be told without one: syntax, functions, windows,
 * templates.
 */
export const checkRule = (
  spec: Checked,
  fleet: { readonly measurements: Schema } | undefined,
): readonly RuleFault[] => [
  ...at('spec.when', checkExpression(spec.when, fleet?.measurements)),
  ...at('spec.forReadings', checkReadings(spec)),
  ...(spec.clearWhen === undefined ? [] : at('spec.clearWhen', checkExpression(spec.clearWhen, fleet?.measurements))),
  ...labels(spec.labels),
  ...annotations(spec.annotations),
]
