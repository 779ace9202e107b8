/**
 * Patterns that people give, as RE2 has them: no back-references, no look-around, and so matched in time linear in the text. The bounds keep
 * the factor small: the worst pattern takes some ms for a text of 1 KiB, a common one less than 1 µs.
 */
import { RE2JS, RE2JSException } from 're2js'

/** Longest pattern, in characters. */
export const MAX_PATTERN_TEXT = 256
/** Largest compiled program: what a character of the text can cost. */
export const MAX_STEPS = 100

/** Whether the pattern is found anywhere in a text. */
export type Pattern = (text: string) => boolean

/** The pattern, or why it can't be used: a clause that continues "the pattern …". Never throws. */
export const compilePattern = (text: string): { ok: Pattern; steps: number } | { fault: string } => {
  if (text.length > MAX_PATTERN_TEXT)
    return { fault: `is too long (${text.length} characters, at most ${MAX_PATTERN_TEXT})` }
  try {
    const program = RE2JS.compile(text)
    const steps = program.programSize()
    if (steps > MAX_STEPS) return { fault: `repeats too much (${steps} steps, at most ${MAX_STEPS})` }
    return { ok: (subject) => program.test(subject), steps }
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    const why = error.message.replace(/^error parsing regexp: /, '').replaceAll('`', "'")
    return { fault: `can not be used (${why})` }
  }
}
