/** Expressions as trees, for tests: printed as text with as few brackets as CEL needs, and walked naively. */
import type { Value } from '../../need.ts'
import { DEVICE, LABELS } from './fleet.ts'

const BINARY = ['||', '&&', '==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%'] as const
export type Operator = (typeof BINARY)[number]

export type Tree =
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
export const print = (tree: Tree, level = 0): string => {
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

/** Values by the text of what reads them. */
export type State = Readonly<Record<string, Value | undefined>>

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

/** What a tree gives; in the walk an error is thrown. */
export const expected = (tree: Tree, state: State): Value | undefined => {
  try {
    return walk(tree, state)
  } catch (error) {
    if (error instanceof NoValue) return undefined
    throw error
  }
}
