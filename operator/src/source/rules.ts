/**
 * The CEL rules of a schema, judged as the API server judges them: at every value that is there, `self` typed by the schema
 * (integers are CEL ints, numbers doubles), and rules with `oldSelf` only where the last version has a value in the same
 * place. Items of a list with keys are the same where their keys are; items of other lists have no last version.
 */
import type { OpenApi } from '@fleetloom/crds/openapi'
import { Environment } from '@marcbachmann/cel-js'
import type { Fault, Path } from './structure.ts'

type Program = ReturnType<Environment['parse']>

const environment = new Environment().registerVariable('self', 'dyn').registerVariable('oldSelf', 'dyn')
const programs = new Map<string, Program>()

/** A rule, ready to run. Throws what the parser throws. */
export const compile = (rule: string): Program => {
  const known = programs.get(rule) ?? environment.parse(rule)
  programs.set(rule, known)
  return known
}

const entries = (value: unknown): readonly (readonly [string, unknown])[] =>
  Object.entries(value as Readonly<Record<string, unknown>>)

/** A value as CEL sees it. */
export const celValue = (value: unknown, schema: OpenApi): unknown => {
  if (schema.type === 'integer') return BigInt(value as number)
  if (schema.type === 'array')
    return (value as readonly unknown[]).map((item) => celValue(item, schema.items as OpenApi))
  if (schema.type !== 'object') return value
  const typed = entries(value).map(([key, child]) => {
    const field = schema.properties?.[key] ?? schema.additionalProperties
    return [key, field ? celValue(child, field) : child]
  })
  return Object.fromEntries(typed)
}

const holds = (rule: string, self: unknown, oldSelf: unknown): string | undefined => {
  try {
    return compile(rule)({ self, oldSelf }) === true ? undefined : ''
  } catch (error) {
    return ` (the rule could not be judged: ${error instanceof Error ? error.message.split('\n')[0] : error})`
  }
}

const ownFaults = (value: unknown, old: unknown, schema: OpenApi, path: Path): Fault[] => {
  const judged = (schema['x-kubernetes-validations'] ?? []).filter(
    ({ rule }) => old !== undefined || !/\boldSelf\b/.test(rule),
  )
  if (judged.length === 0) return []
  const [self, oldSelf] = [celValue(value, schema), old === undefined ? undefined : celValue(old, schema)]
  return judged.flatMap(({ rule, message }) => {
    const fault = holds(rule, self, oldSelf)
    return fault === undefined ? [] : [{ path, message: message + fault }]
  })
}

const sameItem = (item: unknown, olds: unknown, schema: OpenApi): unknown => {
  const keys = schema['x-kubernetes-list-map-keys']
  if (!keys || !Array.isArray(olds)) return undefined
  const field = (of: unknown, key: string): unknown => (of as Readonly<Record<string, unknown>>)[key]
  return olds.find((old) => keys.every((key) => field(old, key) === field(item, key)))
}

/** Every rule that does not hold for `value`, which the schema's structure has passed; `old` is the last version. */
export const ruleFaults = (value: unknown, old: unknown, schema: OpenApi, path: Path = []): readonly Fault[] => {
  const own = ownFaults(value, old, schema, path)
  if (Array.isArray(value)) {
    const items = schema.items as OpenApi
    const below = value.flatMap((item, i) => ruleFaults(item, sameItem(item, old, schema), items, [...path, i]))
    return [...own, ...below]
  }
  if (schema.type !== 'object') return own
  const below = entries(value).flatMap(([key, child]) => {
    const field = schema.properties?.[key] ?? schema.additionalProperties
    const last = (old as Readonly<Record<string, unknown>> | undefined)?.[key]
    return field ? ruleFaults(child, last, field, [...path, key]) : []
  })
  return [...own, ...below]
}
