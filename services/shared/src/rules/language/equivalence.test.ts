/**
 * Random expressions: printed as text with as few brackets as CEL needs, compiled and run, they give what a naive walk over the tree
 * gives, in which an error is thrown.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Value } from '../need.ts'
import { compileExpression } from './expression.ts'
import { DEVICE, judge, LABELS, SCHEMA } from './testing.ts'

const BINARY = ['||', '&&', '==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%'] as const
type Operator = (typeof BINARY)[number]

type Tree =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'read' | 'label' | 'has'; readonly name: string }
  | { readonly kind: 'device' }
  | { readonly kind: 'not' | 'minus' | 'size'; readonly of: Tree }
  | { readonly kind: 'binary'; readonly op: Operator; readonly left: Tree; readonly right: Tree }
  | { readonly kind: 'choice'; readonly of: Tree; readonly yes: Tree; readonly no: Tree }
  | { readonly kind: 'in'; readonly of: Tree; readonly items: readonly Tree[] }
  | {
      readonly kind: 'method'
      readonly name: 'startsWith' | 'endsWith' | 'contains'
      readonly of: Tree
      readonly part: Tree
    }

/** How strongly each operator binds; more is stronger. */
const LEVEL: Readonly<Record<Operator, number>> = {
  ...{ '||': 1, '&&': 2, '==': 3, '!=': 3, '<': 4, '<=': 4, '>': 4, '>=': 4 },
  ...{ '+': 5, '-': 5, '*': 6, '/': 6, '%': 6 },
}

const quoted = (text: string): string =>
  `'${text.replace(/[\\'\p{C}]/gu, (character) => `\\U${character.codePointAt(0)?.toString(16).padStart(8, '0')}`)}'`

const literal = (value: Value): string => {
  if (typeof value === 'string') return quoted(value)
  return typeof value === 'number' && value > Number.MAX_SAFE_INTEGER ? value.toExponential() : String(value)
}

/** The text of a tree, in brackets where it binds more weakly than `level`. */
const print = (tree: Tree, level = 0): string => {
  const wrap = (own: number, text: string) => (own < level ? `(${text})` : text)
  switch (tree.kind) {
    case 'value':
      return literal(tree.value)
    case 'read':
      return tree.name
    case 'device':
      return 'device'
    case 'label':
      return `labels[${quoted(tree.name)}]`
    case 'has':
      return wrap(4, `${quoted(tree.name)} in labels`)
    case 'not':
      return wrap(7, `!${print(tree.of, 7)}`)
    case 'minus':
      return wrap(7, `-${print(tree.of, 7)}`)
    case 'size':
      return `size(${print(tree.of)})`
    case 'binary': {
      const own = LEVEL[tree.op]
      return wrap(own, `${print(tree.left, own)} ${tree.op} ${print(tree.right, own + 1)}`)
    }
    case 'choice':
      return wrap(0.5, `${print(tree.of, 1)} ? ${print(tree.yes)} : ${print(tree.no)}`)
    case 'in':
      return wrap(4, `${print(tree.of, 4)} in [${tree.items.map((item) => print(item)).join(', ')}]`)
    case 'method':
      return `${print(tree.of, 8)}.${tree.name}(${print(tree.part)})`
  }
}

class NoValue extends Error {}

type State = Readonly<Record<string, Value | undefined>>

const or = <T>(value: T | undefined): T => {
  if (value === undefined) throw new NoValue()
  return value
}

const finite = (value: number): number => or(Number.isFinite(value) ? value : undefined)

const APPLY: Readonly<Record<Exclude<Operator, '||' | '&&'>, (a: never, b: never) => Value>> = {
  '==': (a: Value, b: Value) => a === b,
  '!=': (a: Value, b: Value) => a !== b,
  '<': (a: number, b: number) => a < b,
  '<=': (a: number, b: number) => a <= b,
  '>': (a: number, b: number) => a > b,
  '>=': (a: number, b: number) => a >= b,
  '+': (a: number | string, b: number) => (typeof a === 'string' ? `${a}${b}` : finite(a + b)),
  '-': (a: number, b: number) => finite(a - b),
  '*': (a: number, b: number) => finite(a * b),
  '/': (a: number, b: number) => finite(a / b),
  '%': (a: number, b: number) => finite(a % b),
}

/** CEL: the side that decides, decides, even when the other has no value. */
const junction = (decisive: boolean, sides: readonly (() => Value)[]): Value => {
  const failed: NoValue[] = []
  for (const side of sides)
    try {
      if (side() === decisive) return decisive
    } catch (error) {
      if (!(error instanceof NoValue)) throw error
      failed.push(error)
    }
  if (failed[0]) throw failed[0]
  return !decisive
}

const walk = (tree: Tree, state: State): Value => {
  const of = (child: Tree): never => walk(child, state) as never
  switch (tree.kind) {
    case 'value':
      return tree.value
    case 'read':
      return or(state[tree.name])
    case 'device':
      return DEVICE
    case 'label':
      return or(new Map(Object.entries(LABELS)).get(tree.name))
    case 'has':
      return Object.keys(LABELS).includes(tree.name)
    case 'not':
      return !of(tree.of)
    case 'minus':
      return 0 - of(tree.of)
    case 'size':
      return [...(of(tree.of) as string)].length
    case 'binary': {
      const sides = [() => of(tree.left), () => of(tree.right)] as const
      if (tree.op === '||' || tree.op === '&&') return junction(tree.op === '||', sides)
      return APPLY[tree.op](sides[0](), sides[1]())
    }
    case 'choice':
      return of(tree.of) ? of(tree.yes) : of(tree.no)
    case 'in': {
      const value = of(tree.of)
      return tree.items.map(of).includes(value)
    }
    case 'method':
      return (of(tree.of) as string)[({ contains: 'includes' } as const)[tree.name as 'contains'] ?? tree.name](
        of(tree.part),
      )
  }
}

const expected = (tree: Tree, state: State): Value | undefined => {
  try {
    return walk(tree, state)
  } catch (error) {
    if (error instanceof NoValue) return undefined
    throw error
  }
}

const NUMBERS = ['last(temperature)', 'last(count)', "avg(temperature, '60s')", "eventCount('x', '60s')"]
const TEXTS = ['last(door)', 'last(note)']
const TRUTHS = ['last(on)', "absent(door, '60s')", 'offline()']

const few = { depthSize: 'small', maxDepth: 4 } as const
const number = fc
  .oneof(fc.integer({ min: 0, max: 9 }), fc.double({ min: 0, max: 1e300, noNaN: true }))
  .map((n) => n + 0)
const text = fc.oneof(fc.constantFrom('', 'a', 'closed', 'truck'), fc.string({ unit: 'grapheme', maxLength: 4 }))
const value = (of: fc.Arbitrary<Value>): fc.Arbitrary<Tree> => of.map((one) => ({ kind: 'value', value: one }))
const read = (names: readonly string[]): fc.Arbitrary<Tree> =>
  fc.constantFrom(...names).map((name) => ({ kind: 'read', name }))

const trees = fc.letrec<{ number: Tree; text: Tree; truth: Tree }>((tie) => {
  const binary = (ops: readonly Operator[], of: 'number' | 'text' | 'truth'): fc.Arbitrary<Tree> =>
    fc.record({ kind: fc.constant('binary'), op: fc.constantFrom(...ops), left: tie(of), right: tie(of) })
  const choice = (of: 'number' | 'text' | 'truth'): fc.Arbitrary<Tree> =>
    fc.record({ kind: fc.constant('choice'), of: tie('truth'), yes: tie(of), no: tie(of) })
  const among = (of: 'number' | 'text'): fc.Arbitrary<Tree> =>
    fc.record({ kind: fc.constant('in'), of: tie(of), items: fc.array(tie(of), { minLength: 1, maxLength: 3 }) })
  const labels = (kind: 'label' | 'has'): fc.Arbitrary<Tree> =>
    fc.record({ kind: fc.constant(kind), name: fc.constantFrom(...Object.keys(LABELS), 'none', 'toString') })
  return {
    number: fc.oneof(
      few,
      value(number),
      read(NUMBERS),
      fc.record({ kind: fc.constantFrom('minus'), of: tie('number') }),
      fc.record({ kind: fc.constantFrom('size'), of: tie('text') }),
      binary(['+', '-', '*', '/', '%'], 'number'),
      choice('number'),
    ),
    text: fc.oneof(
      few,
      value(text),
      read(TEXTS),
      fc.constant<Tree>({ kind: 'device' }),
      labels('label'),
      binary(['+'], 'text'),
      choice('text'),
    ),
    truth: fc.oneof(
      few,
      read(TRUTHS),
      value(fc.boolean()),
      labels('has'),
      fc.record({ kind: fc.constantFrom('not'), of: tie('truth') }),
      binary(['||', '&&', '==', '!='], 'truth'),
      binary(['==', '!=', '<', '<=', '>', '>='], 'number'),
      binary(['==', '!=', '<', '<=', '>', '>='], 'text'),
      choice('truth'),
      among('number'),
      among('text'),
      fc.record({
        kind: fc.constant('method'),
        name: fc.constantFrom('startsWith', 'endsWith', 'contains'),
        of: tie('text'),
        part: tie('text'),
      }),
    ),
  }
})

const maybe = (of: fc.Arbitrary<Value>) => fc.option(of, { nil: undefined, freq: 3 })
const state: fc.Arbitrary<State> = fc.record(
  Object.fromEntries([
    ...NUMBERS.map((name) => [
      name,
      maybe(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.double({ noNaN: true, noDefaultInfinity: true }))),
    ]),
    ...TEXTS.map((name) => [name, maybe(text)]),
    ...TRUTHS.map((name) => [name, maybe(fc.boolean())]),
  ]),
)

test('a compiled expression gives what a naive walk over its tree gives', () => {
  const seen = { true: 0, false: 0, undefined: 0 }
  fc.assert(
    fc.property(trees.truth, fc.array(state, { minLength: 1, maxLength: 5 }), (tree, states) => {
      // An expression has to read something; the first reading is no part of the result.
      const written = `(last('loop') == 1 || true) && ${print(tree, 2.5)}`
      fc.pre(written.length <= 2048)
      const result = compileExpression(written, SCHEMA)
      if ('fault' in result) assert.fail(`${written}: ${result.fault.message}`)
      for (const one of states) {
        const wanted = expected(tree, one)
        seen[`${wanted as boolean | undefined}`]++
        assert.equal(judge(result.ok, one), wanted, written)
      }
    }),
    { numRuns: 3000 },
  )
  assert.ok(Math.min(...Object.values(seen)) > 300, JSON.stringify(seen))
})

const PIECES = [
  ...[
    "avg(temperature, '1m')",
    'last(door)',
    "'closed'",
    '8.0',
    '>',
    '==',
    '&&',
    '||',
    '!',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
  ],
  ...[
    "'",
    '"',
    '\\',
    '.',
    ',',
    ':',
    '?',
    'in',
    'labels',
    'device',
    'has(',
    'matches(',
    'avg',
    '5m',
    '=',
    '&',
    '\n',
    ' ',
  ],
  ...['b"', "r'", '"""', '//', 'constructor', '__proto__', 'null', '5u', '0x', '1e', '😀', '\u0000', 'x.all(', 'size('],
]

const GOOD =
  "avg(temperature, '1m') > 8.0 && last(door) in ['closed', 'ajar'] || device.matches('^a[0-9]') && labels.zone == 'b'"

const damaged = fc
  .array(fc.tuple(fc.nat(GOOD.length), fc.nat(6), fc.constantFrom('', ...PIECES)), { minLength: 1, maxLength: 4 })
  .map((edits) => edits.reduce((good, [at, cut, piece]) => good.slice(0, at) + piece + good.slice(at + cut), GOOD))

test('any text gives an expression, or a fault inside the text in words for people', () => {
  const soup = fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(fc.oneof(soup, damaged, fc.string({ unit: 'binary' })), (written) => {
      const result = compileExpression(written, SCHEMA)
      if ('ok' in result) return
      const { message, line, column, length } = result.fault
      const lines = written.split('\n')
      const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1
      assert.ok(line >= 1 && line <= lines.length && column >= 1 && length >= 0 && start + length <= written.length)
      assert.match(message, new RegExp(`^[^\\p{Cc}]+ at line ${line}, column ${column}(; [^\\p{Cc}]+)?$`, 'u'))
      assert.doesNotMatch(message, /\b(undefined|EOF|[LR]PAREN|[LR]BRACKET|IDENTIFIER|function \w*\()/)
      assert.ok(message.length < 400, message)
    }),
    { numRuns: 5000 },
  )
})
