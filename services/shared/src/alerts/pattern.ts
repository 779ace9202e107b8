/** Patterns of silences: RE2's, as in Alertmanager, which match in time linear in the text. A pattern covers the whole text. */
import { RE2JS, RE2JSException } from 're2js'

export class PatternError extends Error {
  override name = 'PatternError'
}

export const MAX_PATTERN = 256
/** Steps of a pattern's program: any list of names of that length fits, large repetitions do not. */
const MAX_STEPS = 400
const MOST_KNOWN = 500

const known = new Map<string, RE2JS>()

const compile = (pattern: string): RE2JS => {
  try {
    return RE2JS.compile(pattern)
  } catch (error) {
    if (error instanceof RE2JSException) throw new PatternError(error.message.replace(/^error parsing regexp: /, ''))
    throw error
  }
}

const compiled = (pattern: string): RE2JS => {
  const found = known.get(pattern)
  if (found) return found
  if (pattern.length > MAX_PATTERN) throw new PatternError(`has more than ${MAX_PATTERN} characters`)
  const made = compile(pattern)
  if (made.programSize() > MAX_STEPS) throw new PatternError('repeats too much')
  if (known.size >= MOST_KNOWN) known.delete(known.keys().next().value as string)
  known.set(pattern, made)
  return made
}

/** @throws PatternError that says what is wrong with the pattern */
export const checkPattern = (pattern: string): void => void compiled(pattern)

/** Whether `text` matches as a whole. @throws PatternError */
export const matchesPattern = (pattern: string, text: string): boolean => compiled(pattern).matches(text)
