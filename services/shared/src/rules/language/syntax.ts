/**
 * Text to syntax tree, by the parser of `@marcbachmann/cel-js`. It parses in one pass and reports code and range of what it can't
 * read; the words for people are made here. Its depth and size are bounded, so everything that walks a tree may recurse.
 */
import { type ASTNode, Environment, ParseError } from '@marcbachmann/cel-js'
import { refuse, type Span, shown } from './fault.ts'

export type Node = ASTNode
export type NodeOf<Op extends ASTNode['op']> = Extract<ASTNode, { readonly op: Op }>

/** As in the CRD. */
export const MAX_LENGTH = 2048
export const MAX_NODES = 400
export const MAX_DEPTH = 40

const environment = new Environment({
  limits: {
    maxAstNodes: MAX_NODES,
    maxDepth: MAX_DEPTH,
    maxListElements: 100,
    maxMapEntries: 100,
    maxCallArguments: 8,
  },
})

type Problem = {
  readonly text: string
  readonly span: Span
  /** What is written there; nothing at the end of the text. */
  readonly found: string
  readonly code: string
  readonly summary: string
}
type Words = { readonly what: string; readonly hint?: string; readonly span?: Span }

const SIGNS: Readonly<Record<string, string>> = {
  RPAREN: ')',
  RBRACKET: ']',
  RBRACE: '}',
  COLON: ':',
}

const OPENING: ReadonlyMap<string, string> = new Map([
  [')', '('],
  [']', '['],
  ['}', '{'],
])

/** What people write for an operator of CEL. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ...['=', 'is', 'eq'].map((found) => [found, 'write == to compare'] as const),
  ...['&', 'and', 'AND'].map((found) => [found, 'write && for and'] as const),
  ...['|', 'or', 'OR'].map((found) => [found, 'write || for or'] as const),
  ['not', 'write ! for not'],
  ['.', 'a number has a digit before the point: 0.5'],
  ...['‘', '’', '“', '”', '„', '«', '»'].map((found) => [found, `write straight quotes: '`] as const),
])

const UNIT = /^(ms|s|m|h|d|w|min|sec)$/
const TOKEN = /^[\w'"()[\]{}<>=!+\-*/%.,:?&|]/

/** `1m` without quotes is read as a number and a name. */
const bareWindow = ({ text, span, found }: Problem): Words | undefined => {
  const digits = /\d+$/.exec(text.slice(0, span.start))?.[0]
  if (digits === undefined || !UNIT.test(found)) return undefined
  const unit = found === 'ms' ? found : found.charAt(0)
  const whole = { start: span.start - digits.length, end: span.end }
  return { what: 'a window is written in quotes', hint: `write '${digits}${unit}'`, span: whole }
}

const adviceFor = ({ code, found }: Problem, sign: string | undefined): string => {
  const meant = MEANT.get(found)
  if (meant !== undefined) return meant
  if (sign !== undefined) return `${sign} is missing before it`
  if (code === 'expected_token') return 'a name stands after a point'
  if (!TOKEN.test(found)) return 'it means nothing outside of quotes'
  if (code === 'unexpected_token') return 'a value is missing before it'
  const opening = OPENING.get(found)
  return opening === undefined ? 'an operator is missing before it' : `there is no ${opening} for it`
}

const notExpected = (problem: Problem): Words => {
  const { text, span, found, summary } = problem
  const sign = SIGNS[/^Expected (\w+)/.exec(summary)?.[1] ?? '']
  if (found === '') return { what: 'the expression ends too early', hint: `${sign ?? 'a value'} is missing` }
  if (found === '>' && text[span.start - 1] === '<') return { what: '<> is not an operator', hint: 'write !=' }
  return bareWindow(problem) ?? { what: `"${shown(found)}" is not expected`, hint: adviceFor(problem, sign) }
}

const ESCAPE = { what: 'the text has a \\ that means nothing', hint: 'write \\\\ for a backslash' }
const ENDLESS = { what: 'the text has no closing quote', hint: 'a text stands between two quotes of one kind' }

const notNumber = ({ found }: Problem): Words => ({ what: `${shown(found)} is not a number` })

const WORDS: Readonly<Record<string, (problem: Problem) => Words>> = {
  unexpected_character: notExpected,
  unexpected_token: notExpected,
  expected_token: notExpected,
  unterminated_string: () => ENDLESS,
  unterminated_triple_quoted_string: () => ENDLESS,
  newline_in_string: () => ({
    what: 'a text goes over the end of the line',
    hint: 'close the quote, or write \\n for a new line',
  }),
  invalid_number: ({ found }) => ({ what: `${shown(found)} is too large for a number` }),
  invalid_integer: notNumber,
  invalid_hex_integer: notNumber,
  invalid_exponent: () => ({ what: 'the number has no digits after its e', hint: 'write 1e3 for a thousand' }),
  reserved_identifier: ({ found }) => ({
    what: `${found} is a reserved word of CEL`,
    hint: `a measurement of this name is written in quotes: last('${found}')`,
  }),
  limit_exceeded: () => ({
    what: 'the expression is too complex',
    hint: `it may have ${MAX_NODES} parts, nested ${MAX_DEPTH} deep`,
  }),
  invalid_macro_argument: ({ summary }) =>
    summary.startsWith('has')
      ? { what: 'has asks for a label', hint: 'write has(labels.zone)' }
      : { what: 'loops over lists are not used in rules', hint: "write last(door) in ['open', 'ajar']" },
}

const wordsFor = (code: string): ((problem: Problem) => Words) =>
  WORDS[code] ?? (/escape|surrogate/.test(code) ? () => ESCAPE : () => ({ what: 'the expression can not be read' }))

const refuseParse = (text: string, { code, range, summary }: ParseError): never => {
  const start = range?.start ?? 0
  const character = text.codePointAt(start) ?? 0
  const end = Math.max(range?.end ?? text.length, start + (character > 0xffff ? 2 : 0))
  const span = { start, end }
  const words = wordsFor(code)({ text, span, found: text.slice(start, end), code, summary })
  return refuse(words.what, words.span ?? span, words.hint)
}

/**
 * The tree of an expression.
 * @throws Refused where the text can't be read, or is too long or too deep.
 */
export const parse = (text: string): Node => {
  if (text.length > MAX_LENGTH)
    return refuse(`the expression is too long (${text.length} characters, at most ${MAX_LENGTH})`, {
      start: MAX_LENGTH,
      end: text.length,
    })
  if (text.trim() === '')
    return refuse('the expression is empty', { start: 0, end: 0 }, "write avg(temperature, '5m') > 8")
  try {
    return environment.parse(text).ast
  } catch (error) {
    if (error instanceof ParseError) return refuseParse(text, error)
    throw error
  }
}
