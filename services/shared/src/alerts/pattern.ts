/**
 * Patterns of silences: a part of regular expressions that is matched in linear space and at most length × length steps, so that
 * nobody's pattern holds up the alerts of others. A pattern covers the whole text:
 *
 *     too-warm|too-cold     either
 *     reefer-.*             `.*` any text, `.+` any text but none, `.` any one character
 *     v1\.2                 `\` takes the next character as it is
 *
 * Everything else that means something in a regular expression is refused. Matching is the two-pointer walk of globs: at a mismatch
 * go back to the last `.*` and let it take one character more.
 */

export class PatternError extends Error {
  override name = 'PatternError'
}

export const MAX_PATTERN = 256
const MAX_STARS = 16

const ANY = Symbol('any one character')
const STAR = Symbol('any text')
type Token = string | typeof ANY | typeof STAR

const REFUSED = /[()[\]{}^$?*+]/

/** The tokens that begin at `text[at]`, and how many characters they are. */
const tokenAt = (text: string, at: number): readonly [tokens: readonly Token[], length: number] => {
  const char = text[at] as string
  const next = text[at + 1]
  if (char === '\\') {
    if (next === undefined) throw new PatternError('ends in a backslash')
    return [[next], 2]
  }
  if (char === '.' && next === '*') return [[STAR], 2]
  if (char === '.' && next === '+') return [[ANY, STAR], 2]
  if (char === '.') return [[ANY], 1]
  if (REFUSED.test(char))
    throw new PatternError(
      `${char} at position ${at + 1} is not supported: use text, ., .*, .+, | and \\ before a character`,
    )
  return [[char], 1]
}

/** Each alternative as tokens. */
const parse = (pattern: string): Token[][] => {
  const alternatives: Token[][] = [[]]
  for (let at = 0; at < pattern.length; ) {
    if (pattern[at] === '|') {
      alternatives.push([])
      at++
      continue
    }
    const [tokens, length] = tokenAt(pattern, at)
    alternatives.at(-1)?.push(...tokens)
    at += length
  }
  return alternatives
}

const matches = (tokens: readonly Token[], text: string): boolean => {
  let [at, token] = [0, 0]
  let [starToken, starAt] = [-1, 0]
  while (at < text.length) {
    const wanted = tokens[token]
    if (wanted === STAR) {
      starToken = token++
      starAt = at
    } else if (wanted === ANY || wanted === text[at]) {
      at++
      token++
    } else if (starToken >= 0) {
      at = ++starAt
      token = starToken + 1
    } else return false
  }
  while (tokens[token] === STAR) token++
  return token === tokens.length
}

/**
 * Whether a text matches `pattern` as a whole.
 * @throws PatternError that says what of it is not supported.
 */
export const parsePattern = (pattern: string): ((text: string) => boolean) => {
  if (pattern.length > MAX_PATTERN) throw new PatternError(`has more than ${MAX_PATTERN} characters`)
  const alternatives = parse(pattern)
  if (alternatives.flat().filter((token) => token === STAR).length > MAX_STARS)
    throw new PatternError(`has more than ${MAX_STARS} of .* and .+`)
  return (text) => alternatives.some((tokens) => matches(tokens, text))
}
