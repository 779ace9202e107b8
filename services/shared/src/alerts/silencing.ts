/**
 * Which silence holds back an alert. Silences are made ready once for as long as their record stays the same: patterns compiled, and of
 * each silence the matchers without a pattern first, as they cost next to nothing and mostly decide.
 */
import { compilePattern, type Pattern } from '../pattern.ts'
import {
  alertLabels,
  hasPattern,
  isActive,
  type Labelled,
  MAX_PATTERN_MATCHERS,
  type Matcher,
  PATTERN_BOUNDS,
  patternMatchers,
  type Silence,
  unended,
} from './silence.ts'

type Holds = (labels: Readonly<Record<string, string>>) => boolean

export type ReadySilence = { readonly silence: Silence; readonly holds: Holds }

/** The matcher by its value; undefined when that is a pattern that can't be used. */
const matches = ({ operator, value }: Matcher): Pattern | undefined => {
  if (operator === '=') return (given) => given === value
  if (operator === '!=') return (given) => given !== value
  const compiled = compilePattern(value, PATTERN_BOUNDS)
  if ('fault' in compiled) return undefined
  return operator === '=~' ? compiled.ok : (given) => !compiled.ok(given)
}

/** A label that is not there is empty. */
const holdsOf = (one: Matcher): Holds | undefined => {
  const { name } = one
  const matched = matches(one)
  return matched && ((labels) => matched(Object.hasOwn(labels, name) ? (labels[name] as string) : ''))
}

const ready = (silence: Silence): ReadySilence[] => {
  const [plain, patterns] = [false, true].map((is) => silence.matchers.filter((one) => hasPattern(one) === is))
  const all = [...(plain ?? []), ...(patterns ?? [])].map(holdsOf)
  const usable = all.filter((one) => one !== undefined)
  return usable.length < all.length ? [] : [{ silence, holds: (labels) => usable.every((one) => one(labels)) }]
}

/** Those that have not ended; one whose patterns can't be used, or are beyond the bound of a namespace, holds back nothing. */
export const readySilences = (silences: readonly Silence[], nowMs: number): ReadySilence[] => {
  let patterns = 0
  return unended(silences, nowMs).flatMap((one) => {
    const added = patternMatchers([one])
    if (patterns + added > MAX_PATTERN_MATCHERS) return []
    patterns += added
    return ready(one)
  })
}

/** The first of a namespace's silences that holds back its alert now. */
export const silenceFor = (silences: readonly ReadySilence[], alert: Labelled, nowMs: number): Silence | undefined => {
  const active = silences.filter(({ silence }) => isActive(silence, nowMs))
  if (active.length === 0) return undefined
  const labels = alertLabels(alert)
  return active.find(({ holds }) => holds(labels))?.silence
}
