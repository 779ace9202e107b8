/** Each kind of node: it checks the types of what is under it and gives code. */
import type { Value } from '../need.ts'
import { type Code, choice, constant, deviceId, hasLabel, junction, label, membership, unary } from './code.ts'
import { refuse } from './fault.ts'
import { callOf, isFunction } from './functions.ts'
import { METHOD_NAMES, methodOf } from './methods.ts'
import { type InfixOperator, infix, type Side } from './operators.ts'
import { agrees, type Part, type Scope, type Type, wordsFor } from './scope.ts'
import type { Node, NodeOf } from './syntax.ts'
import { refuseFunction, refuseMethod, refuseName } from './unknown.ts'

type Form<Op extends Node['op']> = (node: NodeOf<Op>, scope: Scope) => Part

const LABELS_USE = "write labels.zone, labels['zone'] or 'zone' in labels"

const expect = (node: Node, wanted: Type, scope: Scope, what: string): Part => {
  const part = compile(node, scope)
  return agrees(part.type, wanted) ? part : refuse(`${what} and not ${wordsFor(part.type)}`, node)
}

const sideOf = (node: Node, scope: Scope): Side => ({ node, part: compile(node, scope) })

type Pair = { readonly args: readonly [Node, Node] }

const infixForm =
  (op: InfixOperator) =>
  ({ args: [left, right] }: Pair, scope: Scope): Part =>
    infix(op, sideOf(left, scope), sideOf(right, scope))

const junctionForm =
  (op: '&&' | '||') =>
  ({ args: [left, right] }: Pair, scope: Scope): Part => {
    const codeOf = (side: Node): Code => expect(side, 'truth', scope, `${op} joins conditions`).code
    return { type: 'truth', code: junction(codeOf(left), codeOf(right), op === '||') }
  }

const isLabels = (node: Node): boolean => node.op === 'id' && node.args === 'labels'

const inside: Form<'in'> = (node, scope) => {
  const [left, right] = node.args
  if (isLabels(right)) {
    const name = expect(left, 'text', scope, 'the name of a label is a text')
    return { type: 'truth', code: hasLabel(name.code) }
  }
  const value = compile(left, scope)
  if (right.op !== 'list')
    return refuse('in asks for a list', right, "write last(door) in ['open', 'ajar'] or 'zone' in labels")
  if (right.args.length === 0) return refuse('nothing is in an empty list', right)
  const items = right.args.map((item) => {
    const { type, code } = compile(item, scope)
    if (agrees(type, value.type)) return code
    return refuse(`the list holds ${wordsFor(type)}, and to the left of in is ${wordsFor(value.type)}`, item)
  })
  return { type: 'truth', code: membership(value.code, items) }
}

const literal = (value: Value, type: Type): Part => ({ type, code: constant(value) })

const valueForm: Form<'value'> = (node) => {
  const value = node.args
  switch (typeof value) {
    case 'string':
      return literal(value, 'text')
    case 'boolean':
      return literal(value, 'truth')
    case 'number':
      return literal(value, 'number')
    case 'bigint': {
      const number = Number(value)
      if (Number.isSafeInteger(number)) return literal(number, 'number')
      return refuse('the number is not within ±9007199254740991', node)
    }
  }
  if (value === null)
    return refuse('null is not used in rules', node, "absent(temperature, '5m') tells missing readings")
  if (value instanceof Uint8Array) return refuse('bytes are not used in rules', node, 'write a text, without b')
  return refuse('unsigned numbers are not used in rules', node, 'write the number without u')
}

const labelOf = (of: Node, name: Code, node: Node): Part => {
  if (isLabels(of)) return { type: 'text', code: label(name) }
  return refuse('only labels have parts', node, LABELS_USE)
}

const idForm: Form<'id'> = (node, scope) => {
  if (node.args === 'device') return { type: 'text', code: deviceId }
  if (isLabels(node)) return refuse('labels is a map and not a value', node, LABELS_USE)
  return refuseName(node, scope)
}

const has = (node: NodeOf<'call'>): Part => {
  const [of] = node.args[1]
  if (of?.op !== '.' || !isLabels(of.args[0])) return refuse('has asks for a label', node, 'write has(labels.zone)')
  return { type: 'truth', code: hasLabel(constant(of.args[1])) }
}

const method = (name: string, [of, ...args]: readonly [Node, ...Node[]], node: Node, scope: Scope): Part =>
  methodOf(name, { receiver: compile(of, scope), args, scope, compile: (arg) => compile(arg, scope) }, node)

const callForm: Form<'call'> = (node, scope) => {
  const [name, args] = node.args
  if (isFunction(name)) return callOf(name, args, node, scope)
  if (name === 'has') return has(node)
  const [text, ...rest] = args
  return name === 'size' && text ? method(name, [text, ...rest], node, scope) : refuseFunction(node)
}

const methodForm: Form<'rcall'> = (node, scope) => {
  const [name, of, args] = node.args
  return METHOD_NAMES.includes(name) ? method(name, [of, ...args], node, scope) : refuseMethod(node)
}

const choiceForm: Form<'?:'> = (node, scope) => {
  const [condition, yes, no] = node.args
  const held = expect(condition, 'truth', scope, 'a condition stands before ?')
  const [a, b] = [compile(yes, scope), compile(no, scope)]
  if (!agrees(a.type, b.type))
    return refuse(`? and : give one kind of value, and here are ${wordsFor(a.type)} and ${wordsFor(b.type)}`, {
      start: yes.start,
      end: no.end,
    })
  return { type: a.type === 'any' ? b.type : a.type, code: choice(held.code, a.code, b.code) }
}

const negative: Form<'-_'> = (node, scope) => {
  const { code } = expect(node.args, 'number', scope, '- stands before a number')
  return { type: 'number', code: unary(code, (value) => -(value as number)) }
}

const not: Form<'!_'> = (node, scope) => {
  const { code } = expect(node.args, 'truth', scope, '! stands before a condition')
  return { type: 'truth', code: unary(code, (value) => !value) }
}

const optional = (node: Node): never => refuse('.? is not used in rules', node, LABELS_USE)

const FORMS: { readonly [Op in Node['op']]: Form<Op> } = {
  value: valueForm,
  id: idForm,
  '.': (node) => labelOf(node.args[0], constant(node.args[1]), node),
  '[]': (node, scope) =>
    labelOf(node.args[0], expect(node.args[1], 'text', scope, 'the name of a label is a text').code, node),
  '.?': optional,
  '[?]': optional,
  call: callForm,
  rcall: methodForm,
  list: (node) => refuse('a list stands only to the right of in', node),
  map: (node) => refuse('maps are not used in rules', node),
  '?:': choiceForm,
  '&&': junctionForm('&&'),
  '||': junctionForm('||'),
  '!_': not,
  '-_': negative,
  in: inside,
  '==': infixForm('=='),
  '!=': infixForm('!='),
  '<': infixForm('<'),
  '<=': infixForm('<='),
  '>': infixForm('>'),
  '>=': infixForm('>='),
  '+': infixForm('+'),
  '-': infixForm('-'),
  '*': infixForm('*'),
  '/': infixForm('/'),
  '%': infixForm('%'),
}

/**
 * A node, and all that is under it.
 * @throws Refused at the first part that is not in the language or does not fit.
 */
export const compile = (node: Node, scope: Scope): Part => {
  const form = FORMS[node.op] as (node: Node, scope: Scope) => Part
  return form(node, scope)
}
