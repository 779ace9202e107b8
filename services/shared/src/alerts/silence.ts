/**
 * Silences of a namespace: one record under `silences.<ns>`, written by compare and set, so that whoever is about to notify reads
 * them all at once. A silence holds back the alerts of its namespace whose labels match all of its matchers, from `startsAt` until
 * `endsAt`. One that has ended is kept for a while, to tell why nobody heard.
 */
import { z } from 'zod'
import { compilePattern, type PatternOptions } from '../pattern.ts'
import type { Transition } from './transition.ts'

export const MATCH_OPERATORS = ['=', '!=', '=~', '!~'] as const
export const MAX_SILENCES = 200
/** Matchers with a pattern, of all silences of a namespace that have not ended: each may be tried on each alert. */
export const MAX_PATTERN_MATCHERS = 100
export const PATTERN_BOUNDS = { whole: true, steps: 100, memory: 16 * 1024 } as const satisfies PatternOptions
export const KEPT_AFTER_END_MS = 7 * 86_400_000
export const LONGEST_SILENCE_MS = 30 * 86_400_000

const storedMatcher = z.strictObject({
  name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be the name of a label, such as device'),
  operator: z.enum(MATCH_OPERATORS),
  value: z.string().max(256),
})

export type Matcher = z.infer<typeof storedMatcher>

export const hasPattern = ({ operator }: Pick<Matcher, 'operator'>): boolean => operator === '=~' || operator === '!~'

/** A matcher as people give it. */
export const matcher = storedMatcher.superRefine((one, context) => {
  const compiled = hasPattern(one) ? compilePattern(one.value, PATTERN_BOUNDS) : {}
  if ('fault' in compiled)
    context.addIssue({ code: 'custom', path: ['value'], message: `the pattern ${compiled.fault}` })
})

export const silence = z.object({
  id: z.string(),
  matchers: z.array(storedMatcher).min(1).max(16),
  /** RFC 3339, as are the others. */
  startsAt: z.string(),
  endsAt: z.string(),
  /** What the maker said; the key is what made it. */
  author: z.string(),
  keyId: z.string().optional(),
  comment: z.string(),
  createdAt: z.string(),
})

export type Silence = z.infer<typeof silence>

const looseDocument = z.object({ silences: z.array(z.unknown()) })

/** The silences of a record that can be read: one that can't holds back nothing, rather than everything. @throws SyntaxError when it is not JSON */
export const readableSilences = (record: string): Silence[] => {
  const { data } = looseDocument.safeParse(JSON.parse(record))
  return (data?.silences ?? []).flatMap((one) => silence.safeParse(one).data ?? [])
}

/** KV key of a namespace's silences in the alerts' bucket. */
export const silencesKey = (namespace: string): string => `silences.${namespace}`

export type Labelled = Pick<Transition, 'namespace' | 'fleet' | 'rule' | 'device' | 'severity' | 'labels'>

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

export const isActive = ({ startsAt, endsAt }: Pick<Silence, 'startsAt' | 'endsAt'>, nowMs: number): boolean =>
  Date.parse(startsAt) <= nowMs && nowMs < Date.parse(endsAt)

/** Those that are or will be in force. */
export const unended = (silences: readonly Silence[], nowMs: number): Silence[] =>
  silences.filter(({ endsAt }) => Date.parse(endsAt) > nowMs)

/** Matchers with a pattern in silences. */
export const patternMatchers = (silences: readonly Pick<Silence, 'matchers'>[]): number =>
  silences.reduce((sum, { matchers }) => sum + matchers.filter(hasPattern).length, 0)

/** The silences without those that nobody needs any more, oldest end first to go when there are too many. */
export const pruned = (silences: readonly Silence[], nowMs: number): Silence[] => {
  const kept = silences.filter(({ endsAt }) => Date.parse(endsAt) > nowMs - KEPT_AFTER_END_MS)
  const ended = kept
    .filter(({ endsAt }) => Date.parse(endsAt) <= nowMs)
    .sort((a, b) => Date.parse(a.endsAt) - Date.parse(b.endsAt))
  const gone = new Set(ended.slice(0, Math.max(0, kept.length - MAX_SILENCES)))
  return kept.filter((one) => !gone.has(one))
}
