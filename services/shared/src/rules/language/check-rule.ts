/** What is wrong with a rule beyond its schema: said in the same words at admission and in its conditions. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import { checkExpression, type Fault, type Schema } from './expression.ts'
import { checkLabelTemplate, checkTemplate } from './template.ts'

type Checked = Pick<AlertRuleSpec, 'when' | 'labels' | 'annotations'> & { readonly clearWhen?: string | undefined }

/** `field` is a path such as `spec.when` or `spec.annotations.summary`. */
export type RuleFault = Fault & { readonly field: string }

const at = (field: string, fault: Fault | undefined): readonly RuleFault[] => (fault ? [{ field, ...fault }] : [])

const labels = (texts: Readonly<Record<string, string>>): readonly RuleFault[] =>
  Object.entries(texts).flatMap(([name, text]) => at(`spec.labels.${name}`, checkLabelTemplate(text)))

const annotations = (texts: Readonly<Record<string, string>>): readonly RuleFault[] =>
  Object.entries(texts).flatMap(([name, text]) => at(`spec.annotations.${name}`, checkTemplate(text)))

/**
 * All faults of a rule, at most one per field. Without a fleet only what can be told without one: syntax, functions, windows,
 * templates.
 */
export const checkRule = (
  spec: Checked,
  fleet: { readonly measurements: Schema } | undefined,
): readonly RuleFault[] => [
  ...at('spec.when', checkExpression(spec.when, fleet?.measurements)),
  ...(spec.clearWhen === undefined ? [] : at('spec.clearWhen', checkExpression(spec.clearWhen, fleet?.measurements))),
  ...labels(spec.labels),
  ...annotations(spec.annotations),
]
