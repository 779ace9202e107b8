/** What can be asked of a text. */
import { compilePattern } from '../../pattern.ts'
import type { Value } from '../need.ts'
import { binary, unary } from './code.ts'
import { refuse, shown } from './fault.ts'
import { agrees, type Part, type Scope, type Type, wordsFor } from './scope.ts'
import type { Node } from './syntax.ts'

type Call = {
  readonly receiver: Part
  readonly args: readonly Node[]
  readonly scope: Scope
  readonly compile: (node: Node) => Part
}
type Method = {
  readonly takes: 0 | 1
  readonly sample: string
  readonly gives: Type
  readonly make: (call: Call) => Part['code']
}

const ofText = (apply: (text: string, part: string) => Value): Method['make'] => {
  return ({ receiver, args, compile }) => {
    const [node] = args as readonly [Node]
    const { type, code } = compile(node)
    if (!agrees(type, 'text')) return refuse(`a text is needed and not ${wordsFor(type)}`, node, 'write it in quotes')
    return binary(receiver.code, code, (text, part) => apply(text as string, part as string))
  }
}

const matches: Method['make'] = ({ receiver, args, scope }) => {
  const [node] = args as readonly [Node]
  if (node.op !== 'value' || typeof node.args !== 'string')
    return refuse('the pattern of matches is a text in quotes', node, "write device.matches('^truck-[0-9]+$')")
  const pattern = compilePattern(node.args)
  if ('fault' in pattern) return refuse(`the pattern ${shown(pattern.fault)}`, node, 'patterns are those of RE2')
  scope.addPattern(pattern.steps, node)
  return unary(receiver.code, (text) => pattern.ok(text as string))
}

/** Characters are code points, as in CEL. */
export const sizeOf = (text: Value): number => {
  let characters = 0
  for (const _ of text as string) characters++
  return characters
}

const METHODS = new Map<string, Method>([
  ['startsWith', { takes: 1, sample: "'truck-'", gives: 'truth', make: ofText((text, part) => text.startsWith(part)) }],
  ['endsWith', { takes: 1, sample: "'-1'", gives: 'truth', make: ofText((text, part) => text.endsWith(part)) }],
  ['contains', { takes: 1, sample: "'uck'", gives: 'truth', make: ofText((text, part) => text.includes(part)) }],
  ['matches', { takes: 1, sample: "'^truck-[0-9]+$'", gives: 'truth', make: matches }],
  ['size', { takes: 0, sample: '', gives: 'number', make: ({ receiver }) => unary(receiver.code, sizeOf) }],
])

export const METHOD_NAMES = [...METHODS.keys()]

/** A call of one of the methods. */
export const methodOf = (name: string, call: Call, node: Node): Part => {
  const method = METHODS.get(name) as Method
  if (!agrees(call.receiver.type, 'text'))
    return refuse(`${name} asks about a text and not ${wordsFor(call.receiver.type)}`, node)
  if (call.args.length !== method.takes)
    return refuse(
      `${name} takes ${method.takes === 0 ? 'nothing' : 'one text'}`,
      node,
      `write device.${name}(${method.sample})`,
    )
  return { type: method.gives, code: method.make(call) }
}
