/**
 * Silences of a namespace: one record under `silences.<ns>`, written by compare and set, so that whoever is about to notify reads
 * them all at once. A silence holds back the alerts of its namespace whose labels match all of its matchers, from `startsAt` until
 * `endsAt`. One that has ended is kept for a while, to tell why nobody heard.
 */
import { z } from 'zod'
import { checkPattern, matchesPattern, PatternError } from './pattern.ts'
import type { Transition } from './transition.ts'

export const MATCH_OPERATORS = ['=', '!=', '=~', '!~'] as const
export const MAX_SILENCES = 200
export const KEPT_AFTER_END_MS = 7 * 86_400_000
export const LONGEST_SILENCE_MS = 30 * 86_400_000

export const matcher = z
  .strictObject({
    name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be the name of a label, such as device'),
    operator: z.enum(MATCH_OPERATORS),
    value: z.string().max(256),
  })
  .superRefine(({ operator, value }, context) => {
    if (operator === '=' || operator === '!=') return
    try {
      checkPattern(value)
    } catch (error) {
      if (!(error instanceof PatternError)) throw error
      context.addIssue({ code: 'custom', path: ['value'], message: error.message })
    }
  })

export type Matcher = z.infer<typeof matcher>

export const silence = z.object({
  id: z.string(),
  matchers: z.array(matcher).min(1).max(16),
  /** RFC 3339, as are the others. */
  startsAt: z.string(),
  endsAt: z.string(),
  author: z.string(),
  comment: z.string(),
  createdAt: z.string(),
})

export type Silence = z.infer<typeof silence>

export const silencesDocument = z.object({ version: z.string(), silences: z.array(silence) })

const looseDocument = z.object({ silences: z.array(z.unknown()) })

/** The silences of a record that can be read: one that can't holds back nothing, rather than everything. */
export const readableSilences = (value: unknown): Silence[] => {
  const { data } = looseDocument.safeParse(value)
  return (data?.silences ?? []).flatMap((one) => silence.safeParse(one).data ?? [])
}

/** KV key of a namespace's silences in the alerts' bucket. */
export const silencesKey = (namespace: string): string => `silences.${namespace}`

type Labelled = Pick<Transition, 'namespace' | 'fleet' | 'rule' | 'device' | 'severity' | 'labels'>

/** The labels of an alert as receivers and matchers see them: the rule's own can't hide what the alert is. */
export const alertLabels = ({
  namespace,
  fleet,
  rule,
  device,
  severity,
  labels,
}: Labelled): Record<string, string> => ({
  ...labels,
  alertname: rule,
  namespace,
  fleet,
  device,
  severity,
})

const holds = ({ name, operator, value }: Matcher, labels: Readonly<Record<string, string>>): boolean => {
  const given = Object.hasOwn(labels, name) ? (labels[name] as string) : ''
  if (operator === '=') return given === value
  if (operator === '!=') return given !== value
  return matchesPattern(value, given) === (operator === '=~')
}

export const isActive = ({ startsAt, endsAt }: Pick<Silence, 'startsAt' | 'endsAt'>, nowMs: number): boolean =>
  Date.parse(startsAt) <= nowMs && nowMs < Date.parse(endsAt)

/** The first of a namespace's silences that holds back its alert now. */
export const silenceFor = (silences: readonly Silence[], alert: Labelled, nowMs: number): Silence | undefined => {
  const active = silences.filter((one) => isActive(one, nowMs))
  if (active.length === 0) return undefined
  const labels = alertLabels(alert)
  return active.find(({ matchers }) => matchers.every((one) => holds(one, labels)))
}

/** The silences without those that nobody needs any more, oldest end first to go when there are too many. */
export const pruned = (silences: readonly Silence[], nowMs: number): Silence[] => {
  const kept = silences.filter(({ endsAt }) => Date.parse(endsAt) > nowMs - KEPT_AFTER_END_MS)
  const ended = kept
    .filter(({ endsAt }) => Date.parse(endsAt) <= nowMs)
    .sort((a, b) => Date.parse(a.endsAt) - Date.parse(b.endsAt))
  const gone = new Set(ended.slice(0, Math.max(0, kept.length - MAX_SILENCES)))
  return kept.filter((one) => !gone.has(one))
}
