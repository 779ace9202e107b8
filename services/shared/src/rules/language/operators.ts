/** Operators: what they take, what they give, and what to say where the sides do not fit. */
import type { BinaryOperator } from '@marcbachmann/cel-js'
import type { Value } from '../need.ts'
import { binary } from './code.ts'
import { refuse } from './fault.ts'
import { agrees, type Part, type Type, wordsFor } from './scope.ts'
import type { Node } from './syntax.ts'

export type InfixOperator = Exclude<BinaryOperator, 'in'>
export type Side = { readonly node: Node; readonly part: Part }
type Operator = {
  readonly verb: string
  readonly takes: readonly Type[]
  /** `own`: what the sides are. */
  readonly gives: Type | 'own'
  readonly apply: (a: Value, b: Value) => Value | undefined
}

const SCALARS: readonly Type[] = ['number', 'text', 'truth']
const ORDERED: readonly Type[] = ['number', 'text']
const TAKEN: Readonly<Record<string, string>> = { number: 'two numbers', text: 'two texts', truth: 'two truth values' }

/** Division by zero and overflow are errors of CEL: no value. */
const arithmetic = (apply: (a: number, b: number) => number): Operator['apply'] => {
  return (a, b) => {
    const result = apply(a as number, b as number)
    return Number.isFinite(result) ? result : undefined
  }
}

const plus = arithmetic((a, b) => a + b)

/** As long as a reading's text may be, so that no expression makes much of little. */
const MAX_TEXT = 1024

const join = (a: string, b: string): Value | undefined => (a.length + b.length > MAX_TEXT ? undefined : a + b)

const ordered = (apply: Operator['apply']): Operator => ({ verb: 'compares', takes: ORDERED, gives: 'truth', apply })
const equal = (apply: Operator['apply']): Operator => ({ verb: 'compares', takes: SCALARS, gives: 'truth', apply })
const numbers = (apply: (a: number, b: number) => number): Operator => ({
  verb: 'calculates with',
  takes: ['number'],
  gives: 'number',
  apply: arithmetic(apply),
})

/** Texts are ordered by UTF-16 units. */
const OPERATORS: { readonly [op in InfixOperator]: Operator } = {
  '==': equal((a, b) => a === b),
  '!=': equal((a, b) => a !== b),
  '<': ordered((a, b) => a < b),
  '<=': ordered((a, b) => a <= b),
  '>': ordered((a, b) => a > b),
  '>=': ordered((a, b) => a >= b),
  '+': {
    verb: 'adds',
    takes: ORDERED,
    gives: 'own',
    apply: (a, b) => (typeof a === 'string' ? join(a, b as string) : plus(a, b)),
  },
  '-': numbers((a, b) => a - b),
  '*': numbers((a, b) => a * b),
  '/': numbers((a, b) => a / b),
  '%': numbers((a, b) => a % b),
}

const COMPARISONS: readonly string[] = ['==', '!=', '<', '<=', '>', '>=']

/** A text that was meant as a number or a truth value, or the other way round. */
const unquoted = (text: Side, other: Type): string | undefined => {
  if (text.node.op !== 'value') return undefined
  const value = String(text.node.args)
  if (other === 'number' && value.trim() !== '' && Number.isFinite(Number(value)))
    return `write ${value} without quotes`
  return other === 'truth' && /^(true|false)$/i.test(value) ? `write ${value.toLowerCase()} without quotes` : undefined
}

const hintFor = (op: string, left: Side, right: Side): string | undefined => {
  if (COMPARISONS.includes(op) && COMPARISONS.includes(left.node.op))
    return 'join two comparisons with &&, as in 2 < last(x) && last(x) < 8'
  if (left.part.type === 'text') return unquoted(left, right.part.type)
  return right.part.type === 'text' ? unquoted(right, left.part.type) : undefined
}

const alternatives = (types: readonly Type[]): string =>
  types
    .map((type) => TAKEN[type])
    .join(', ')
    .replace(/, ([^,]+)$/, ' or $1')

/** `left op right`. */
export const infix = (op: InfixOperator, left: Side, right: Side): Part => {
  const { verb, takes, gives, apply } = OPERATORS[op]
  const [a, b] = [left.part.type, right.part.type]
  const fits = agrees(a, b) && takes.some((type) => agrees(type, a) && agrees(type, b))
  if (!fits) {
    const what = `${op} ${verb} ${alternatives(takes)}, and here are ${wordsFor(a)} and ${wordsFor(b)}`
    return refuse(what, { start: left.node.start, end: right.node.end }, hintFor(op, left, right))
  }
  const own = a === 'any' ? b : a
  return { type: gives === 'own' ? own : gives, code: binary(left.part.code, right.part.code, apply) }
}
