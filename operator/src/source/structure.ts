/**
 * What the API server does to a resource before its CEL rules: holds it against the structural schema and fills in the
 * defaults. One difference: an unknown field is refused, as `kubectl apply` does, and not pruned.
 *
 * 1. `null` counts as left out where there is a default, and is a fault elsewhere.
 * 2. A default is filled in where the field is missing; then the children of what was filled in are walked as well, so that
 *    `default: {}` gives an object with all its defaults.
 * 3. Every fault is reported, each at the path of its field.
 */
import type { OpenApi } from '@fleetloom/crds/openapi'
import { didYouMean } from '@fleetloom/shared/nearest'

export type Path = readonly (string | number)[]

/** Something wrong with a field. */
export type Fault = { readonly path: Path; readonly message: string }

export type Structured = { readonly value: unknown; readonly faults: readonly Fault[] }

/** `spec.measurements[0].type`. */
export const pathText = (path: Path): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? part : `${text}.${part}`
  }, '')

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

const IS: Readonly<Record<OpenApi['type'], (value: unknown) => boolean>> = {
  object: isMap,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  integer: Number.isSafeInteger,
  number: Number.isFinite,
  boolean: (value) => typeof value === 'boolean',
}

const WORD: Readonly<Record<OpenApi['type'], string>> = {
  object: 'a map',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
}

const typeFault = ({ type }: OpenApi, value: unknown): string => {
  const hint = type === 'string' && !isMap(value) && !Array.isArray(value) ? '; write it in quotes' : ''
  return `must be ${WORD[type]}, not ${show(value)}${hint}`
}

const textFaults = (schema: OpenApi, value: string): string[] => {
  const { enum: words, pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema
  if (words && !words.includes(value))
    return [
      `must be ${words.length > 1 ? 'one of ' : ''}${words.join(', ')}, not ${show(value)}${didYouMean(value, words)}`,
    ]
  const length = [...value].length
  if (length < minLength) return [`must have at least ${minLength} characters`]
  if (length > maxLength) return [`must have at most ${maxLength} characters, not ${length}`]
  return pattern && !new RegExp(pattern, 'u').test(value)
    ? [`must match ${pattern}, which ${show(value)} does not`]
    : []
}

const numberFaults = ({ minimum, maximum }: OpenApi, value: number): string[] => {
  if (minimum !== undefined && value < minimum) return [`must be at least ${minimum}, not ${value}`]
  return maximum !== undefined && value > maximum ? [`must be at most ${maximum}, not ${value}`] : []
}

const at = (path: Path, messages: readonly string[]): Fault[] => messages.map((message) => ({ path, message }))

const sizeFaults = (size: number, low: number | undefined, high: number | undefined, what: string): string[] => {
  if (low !== undefined && size < low) return [`must have at least ${low} ${what}`]
  return high !== undefined && size > high ? [`must have at most ${high} ${what}, not ${size}`] : []
}

/** Key of an item among its like; undefined where items may repeat. */
const itemKey = (schema: OpenApi, item: unknown): string | undefined => {
  if (schema['x-kubernetes-list-type'] === 'set') return JSON.stringify(item)
  const keys = schema['x-kubernetes-list-map-keys']
  return keys && isMap(item) ? JSON.stringify(keys.map((key) => item[key])) : undefined
}

const repeated = (schema: OpenApi, items: readonly unknown[], path: Path): Fault[] => {
  const seen = new Map<string, number>()
  return items.flatMap((item, index) => {
    const key = itemKey(schema, item)
    const first = key === undefined ? undefined : seen.get(key)
    if (key !== undefined && first === undefined) seen.set(key, index)
    if (first === undefined) return []
    const [name] = schema['x-kubernetes-list-map-keys'] ?? []
    const word = name === undefined ? show(item) : `${name} ${show((item as Record<string, unknown>)[name])}`
    return [{ path: [...path, index], message: `repeats ${word} of ${pathText([...path, first])}` }]
  })
}

const listOf = (schema: OpenApi, items: readonly unknown[], path: Path): Structured => {
  const walked = items.map((item, index) => structure(item, schema.items as OpenApi, [...path, index]))
  const value = walked.map((item) => item.value)
  const size = sizeFaults(items.length, schema.minItems, schema.maxItems, 'items')
  const faults = walked.flatMap((item) => item.faults)
  return { value, faults: [...at(path, size), ...faults, ...repeated(schema, value, path)] }
}

const mapOf = (schema: OpenApi, map: Readonly<Record<string, unknown>>, path: Path): Structured => {
  const walked = Object.entries(map).map(
    ([key, value]) => [key, structure(value, schema.additionalProperties as OpenApi, [...path, key])] as const,
  )
  const size = sizeFaults(walked.length, undefined, schema.maxProperties, 'entries')
  return {
    value: Object.fromEntries(walked.map(([key, { value }]) => [key, value])),
    faults: [...at(path, size), ...walked.flatMap(([, { faults }]) => faults)],
  }
}

const fieldOf = (schema: OpenApi, value: unknown, path: Path): Structured | undefined => {
  const given = value === null && schema.default !== undefined ? undefined : value
  if (given !== undefined) return structure(given, schema, path)
  return schema.default === undefined ? undefined : structure(structuredClone(schema.default), schema, path)
}

const objectOf = (schema: OpenApi, map: Readonly<Record<string, unknown>>, path: Path): Structured => {
  const properties = schema.properties ?? {}
  const names = Object.keys(properties)
  const unknown = Object.keys(map)
    .filter((key) => !Object.hasOwn(properties, key))
    .map((key) => ({ path: [...path, key], message: `unknown field${didYouMean(key, names)}` }))
  const fields = Object.entries(properties).flatMap(([key, child]) => {
    const field = fieldOf(child, map[key], [...path, key])
    return field === undefined ? [] : [[key, field] as const]
  })
  const value = Object.fromEntries(fields.map(([key, field]) => [key, field.value]))
  const missing = (schema.required ?? [])
    .filter((key) => !Object.hasOwn(value, key))
    .map((key) => ({ path: [...path, key], message: 'is required' }))
  return { value, faults: [...unknown, ...missing, ...fields.flatMap(([, { faults }]) => faults)] }
}

/** The value with its defaults, and everything that is wrong with it. */
export const structure = (value: unknown, schema: OpenApi, path: Path = []): Structured => {
  if (!IS[schema.type](value)) return { value, faults: at(path, [typeFault(schema, value)]) }
  if (Array.isArray(value)) return listOf(schema, value, path)
  if (isMap(value)) return schema.additionalProperties ? mapOf(schema, value, path) : objectOf(schema, value, path)
  if (typeof value === 'string') return { value, faults: at(path, textFaults(schema, value)) }
  return { value, faults: typeof value === 'number' ? at(path, numberFaults(schema, value)) : [] }
}
