/**
 * Patterns that people give, as RE2 has them: no back-references, no look-around, and so matched in time linear in the text. The bounds keep
 * the factor small: the worst pattern takes some ms for a text of 1 KiB, a common one about 1 µs. To be quick a pattern remembers what it
 * has met, which the bounds limit as well; beyond that it is slower, and still linear.
 */
import { RE2JS, RE2JSException, RE2Set } from 're2js'

export type PatternOptions = {
  /** Whether the pattern has to cover the whole text; left out, it may be found anywhere. */
  readonly whole?: boolean
  /** Longest pattern, in characters. */
  readonly characters?: number
  /** Largest compiled program, in steps. */
  readonly steps?: number
  /** Bytes that are kept between matches. */
  readonly memory?: number
}

/** Largest compiled program: what a character of the text can cost. */
export const MAX_STEPS = 100
const DEFAULTS = { whole: false, characters: 256, steps: MAX_STEPS, memory: 256 * 1024 } as const

/** Whether the pattern matches a text. */
export type Pattern = (text: string) => boolean

/** As a set of one: it alone can be told how much memory to take. */
const matcherOf = (text: string, { whole, memory }: Required<PatternOptions>): Pattern => {
  const set = new RE2Set(whole ? RE2Set.ANCHOR_BOTH : RE2Set.UNANCHORED, 0, memory)
  set.add(text)
  set.compile()
  return (subject) => set.match(subject).length > 0
}

/** The pattern, or why it can't be used: a clause that continues "the pattern …". Never throws. */
export const compilePattern = (
  text: string,
  options: PatternOptions = {},
): { ok: Pattern; steps: number } | { fault: string } => {
  const all = { ...DEFAULTS, ...options }
  if (text.length > all.characters)
    return { fault: `is too long (${text.length} characters, at most ${all.characters})` }
  try {
    const steps = RE2JS.compile(text).programSize()
    if (steps > all.steps) return { fault: `repeats too much (${steps} steps, at most ${all.steps})` }
    return { ok: matcherOf(text, all), steps }
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    const why = error.message.replace(/^error parsing regexp: /, '').replaceAll('`', "'")
    return { fault: `can not be used (${why})` }
  }
}
