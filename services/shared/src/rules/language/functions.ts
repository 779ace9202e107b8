/**
 * The functions of rules. Each names a value of the device's history: a call becomes a need and a reader of it, so its arguments are
 * names and literals that can be read before anything runs.
 */
import { DURATION, DURATION_LENGTH, durationMs } from '@fleetloom/crds/units'
import { nearest } from '../../nearest.ts'
import type { Need } from '../need.ts'
import { reading } from './code.ts'
import { refuse, shown } from './fault.ts'
import { type Part, type Scope, TYPE_OF, type Type } from './scope.ts'
import type { Node } from './syntax.ts'

const MIN_WINDOW_MS = 1000
const MAX_WINDOW_MS = 86_400_000
/** Types that an event can have. */
const EVENT_TYPE = /^[A-Za-z0-9_.-]{1,64}$/

type Argument = 'measurement' | 'numeric' | 'window' | 'quantile' | 'eventType'
type Signature = { readonly takes: readonly Argument[]; readonly gives: Type | 'own' }

const folded: Signature = { takes: ['numeric', 'window'], gives: 'number' }

const FUNCTIONS: { readonly [fn in Need['fn']]: Signature } = {
  last: { takes: ['measurement'], gives: 'own' },
  avg: folded,
  min: folded,
  max: folded,
  sum: folded,
  count: { takes: ['measurement', 'window'], gives: 'number' },
  rate: folded,
  delta: folded,
  stddev: folded,
  percentile: { takes: ['numeric', 'quantile', 'window'], gives: 'number' },
  absent: { takes: ['measurement', 'window'], gives: 'truth' },
  offline: { takes: [], gives: 'truth' },
  anomaly: { takes: ['numeric'], gives: 'number' },
  eventCount: { takes: ['eventType', 'window'], gives: 'number' },
  eventAnomaly: { takes: ['eventType'], gives: 'number' },
}

export const FUNCTION_NAMES = Object.keys(FUNCTIONS)

export const isFunction = (name: string): name is Need['fn'] => Object.hasOwn(FUNCTIONS, name)

/** What a need gives. */
export const typeOf = (need: Need, { measurements }: Scope): Type => {
  const { gives } = FUNCTIONS[need.fn]
  if (gives !== 'own') return gives
  const type = 'measurement' in need ? measurements?.get(need.measurement) : undefined
  return type === undefined ? 'any' : TYPE_OF[type]
}

const SAMPLES = {
  measurement: ['a measurement', 'temperature'],
  numeric: ['a measurement', 'temperature'],
  window: ['a window', "'5m'"],
  quantile: ['a number from 0 to 1', '0.95'],
  eventType: ['a type of events', "'login_failed'"],
} as const satisfies Record<Argument, readonly [words: string, sample: string]>

const listed = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? 'nothing') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`

/** A call of `name` as it should be, with the given first argument where it may be one. */
export const usage = (name: Need['fn'], first?: Node): string => {
  const samples = FUNCTIONS[name].takes.map((kind, i) =>
    i === 0 && first?.op === 'id' && kind !== 'eventType' ? shown(first.args) : SAMPLES[kind][1],
  )
  return `${name}(${samples.join(', ')})`
}

type Call = { readonly name: Need['fn']; readonly args: readonly Node[]; readonly scope: Scope }

const refuseUsage = (call: Call, node: Node): never => {
  const takes = listed(FUNCTIONS[call.name].takes.map((kind) => SAMPLES[kind][0]))
  return refuse(`${call.name} takes ${takes}`, node, `write ${usage(call.name, call.args[0])}`)
}

const MAX_LISTED = 8

const available = (names: readonly string[]): string => {
  const more = names.length > MAX_LISTED ? ', …' : ''
  return `the fleet has ${names.slice(0, MAX_LISTED).join(', ')}${more}`
}

/** The name of a measurement: bare, or in quotes where it is a word of CEL. */
const nameOf = (node: Node, call: Call): string => {
  if (node.op === 'id') return node.args
  if (node.op === 'value' && typeof node.args === 'string') return node.args
  return refuse(`${call.name} takes the name of a measurement`, node, `write ${usage(call.name)}`)
}

const measurement = (node: Node, call: Call) => {
  const name = nameOf(node, call)
  const { measurements } = call.scope
  if (measurements === undefined || measurements.has(name)) return { measurement: name }
  const names = [...measurements.keys()]
  const near = nearest(name, names)
  return refuse(
    `unknown measurement ${shown(name)}`,
    node,
    near === undefined ? available(names) : `did you mean ${near}?`,
  )
}

const numeric = (node: Node, call: Call) => {
  const found = measurement(node, call)
  const type = call.scope.measurements?.get(found.measurement)
  if (type === undefined || TYPE_OF[type] === 'number') return found
  const what = `${call.name} needs a number, but ${found.measurement} is a ${type}`
  return refuse(what, node, `last(${found.measurement}) is what can be compared`)
}

const windowMs = (node: Node, { name }: Call) => {
  if (node.op !== 'value' || typeof node.args !== 'string')
    return refuse(`the window of ${name} is a text`, node, "write it in quotes: '90s', '5m', '24h'")
  const text = node.args
  if (text.length > DURATION_LENGTH || !DURATION.test(text))
    return refuse(`'${shown(text)}' is not a window`, node, "write a whole number and its unit: '90s', '5m', '24h'")
  const ms = durationMs(text)
  if (ms > MAX_WINDOW_MS) return refuse(`the window '${text}' is longer than 24h`, node)
  if (ms < MIN_WINDOW_MS) return refuse(`the window '${text}' is shorter than 1s`, node)
  return { windowMs: ms }
}

const quantile = (node: Node) => {
  const given = node.op === 'value' ? node.args : undefined
  const q = typeof given === 'number' || typeof given === 'bigint' ? Number(given) : Number.NaN
  if (q >= 0 && q <= 1) return { q }
  return refuse('the second argument of percentile is a number from 0 to 1', node, 'write 0.95 for the 95th percentile')
}

const eventType = (node: Node, { name }: Call) => {
  const text = node.op === 'value' && typeof node.args === 'string' ? node.args : undefined
  if (text !== undefined && EVENT_TYPE.test(text)) return { type: text }
  if (text !== undefined)
    return refuse(`'${shown(text)}' is no type of events`, node, 'a type has 1 to 64 letters, digits, _ . and -')
  const sample = node.op === 'id' ? shown(node.args) : 'login_failed'
  return refuse(`${name} takes a type of events`, node, `write it in quotes: '${sample}'`)
}

const ARGUMENTS = { measurement, numeric, window: windowMs, quantile, eventType } as const satisfies Record<
  Argument,
  (node: Node, call: Call) => object
>

/** A call of one of the functions. */
export const callOf = (name: Need['fn'], args: readonly Node[], node: Node, scope: Scope): Part => {
  const call: Call = { name, args, scope }
  const { takes } = FUNCTIONS[name]
  if (args.length !== takes.length) return refuseUsage(call, node)
  const given = args.map((arg, i) => ARGUMENTS[takes[i] as Argument](arg, call))
  const need = Object.assign({ fn: name }, ...given) as Need
  return { type: typeOf(need, scope), code: reading(scope.indexOf(need, node)) }
}
