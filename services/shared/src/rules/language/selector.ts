/** Which devices a rule watches, by their labels, as Kubernetes selects. */
import type { Selector } from '../../alerts/rule-document.ts'

type Labels = Readonly<Record<string, string>>
type Requirement = Selector['matchExpressions'][number]

const labelOf = (labels: Labels, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined

const MEETS: {
  readonly [op in Requirement['operator']]: (value: string | undefined, values: readonly string[]) => boolean
} = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
}

/** Whether all of a selector holds for these labels. An empty selector takes every device; NotIn takes one without the label. */
export const selectorMatches = ({ matchLabels, matchExpressions }: Selector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labelOf(labels, key) === value) &&
  matchExpressions.every(({ key, operator, values }) => MEETS[operator](labelOf(labels, key), values))
