/** What to say of a name that means nothing where it stands. */
import { nearest } from '../../nearest.ts'
import { refuse, shown } from './fault.ts'
import { FUNCTION_NAMES, isFunction, usage } from './functions.ts'
import { METHOD_NAMES } from './methods.ts'
import type { Scope } from './scope.ts'
import type { NodeOf } from './syntax.ts'

const VARIABLES = ['device', 'labels']
const WORDS = [...VARIABLES, 'true', 'false']

const CONVERSION = 'all numbers are of one kind, and nothing has to be converted'
const LOOP = "write in, as in last(door) in ['open', 'ajar']"
const TIME = "rules see the time through windows, as in avg(temperature, '5m')"

/** Functions of CEL, or of other languages of rules, and what is here instead. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ...['int', 'uint', 'double', 'string', 'bool', 'bytes', 'dyn', 'type'].map((name) => [name, CONVERSION] as const),
  ...['all', 'exists', 'exists_one', 'map', 'filter', 'bind'].map((name) => [name, LOOP] as const),
  ...['timestamp', 'duration', 'now'].map((name) => [name, TIME] as const),
  ['abs', 'compare both ways, as in last(x) > 3 || last(x) < -3'],
  ...['mean', 'average', 'avg_over_time'].map((name) => [name, "write avg(temperature, '5m')"] as const),
  ...['median', 'quantile', 'p95'].map((name) => [name, "write percentile(temperature, 0.5, '5m')"] as const),
  ...['latest', 'value', 'current'].map((name) => [name, 'write last(temperature)'] as const),
  ...['increase', 'diff', 'change'].map((name) => [name, "write delta(temperature, '5m')"] as const),
  ...['nodata', 'missing', 'stale'].map((name) => [name, "write absent(temperature, '5m')"] as const),
])

const otherwise = (name: string, known: readonly string[]): string => {
  const near = nearest(name, known)
  return INSTEAD.get(name) ?? (near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`)
}

/** A call of a function that is not there. */
export const refuseFunction = (node: NodeOf<'call'>): never => {
  const [name] = node.args
  const span = { start: node.start, end: node.start + name.length }
  if (METHOD_NAMES.includes(name))
    return refuse(`${name} is written after the text it asks about`, span, `write device.${name}('truck-')`)
  return refuse(`unknown function ${shown(name)}`, span, otherwise(name, [...FUNCTION_NAMES, 'has', 'size']))
}

/** A method that is not there. */
export const refuseMethod = (node: NodeOf<'rcall'>): never => {
  const [name, receiver] = node.args
  if (isFunction(name)) return refuse(`${name} is written as a function`, node, `write ${usage(name, receiver)}`)
  return refuse(`unknown method ${shown(name)}`, node, otherwise(name, METHOD_NAMES))
}

/** A name that stands where a value should. */
export const refuseName = (node: NodeOf<'id'>, { measurements }: Scope): never => {
  const name = node.args
  if (measurements?.has(name))
    return refuse(`${name} is a measurement and not a value`, node, `last(${name}) is its newest value`)
  if (isFunction(name)) return refuse(`${name} is a function`, node, `write ${usage(name)}`)
  const word = nearest(name, WORDS)
  if (word !== undefined) return refuse(`unknown name ${shown(name)}`, node, `did you mean ${word}?`)
  const near = nearest(name, [...(measurements?.keys() ?? [])])
  if (near !== undefined) return refuse(`unknown name ${shown(name)}`, node, `did you mean last(${near})?`)
  const reading = measurements ? '' : `, and a reading is last(${shown(name)})`
  return refuse(`unknown name ${shown(name)}`, node, `a text is written in quotes: '${shown(name)}'${reading}`)
}
