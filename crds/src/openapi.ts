/**
 * zod → the structural OpenAPI v3 schema that a CustomResourceDefinition takes.
 *
 * Much of zod has no counterpart there and would vanish without a word: refinements, transforms, unions, strict objects,
 * formats. So what is allowed is listed, anything else throws with its path, and so does what Kubernetes accepts but
 * can't bound the cost of: lists, maps and strings without a largest size, and fields without a description.
 */
import { z } from 'zod'
import type { Rule } from './schema.ts'

/** What we use of OpenAPI v3 as Kubernetes takes it. */
export type OpenApi = {
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly format?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly maxProperties?: number
  readonly required?: readonly string[]
  readonly 'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-validations'?: readonly Rule[]
  readonly items?: OpenApi
  readonly additionalProperties?: OpenApi
  readonly properties?: Readonly<Record<string, OpenApi>>
}

const KEYS = [
  'type',
  'description',
  'default',
  'enum',
  'format',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'maxProperties',
  'required',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-validations',
  'items',
  'additionalProperties',
  'properties',
] as const satisfies readonly (keyof OpenApi)[]

export class SchemaError extends Error {
  override name = 'SchemaError'
  constructor(path: string, why: string) {
    super(`${path || 'schema'}: ${why}`)
  }
}

type Definition = {
  readonly type: string
  readonly format?: string
  readonly coerce?: boolean
  readonly checks?: readonly { _zod: { def: { check: string; format?: string; inclusive?: boolean } } }[]
  readonly innerType?: z.ZodType
  readonly element?: z.ZodType
  readonly keyType?: z.ZodType
  readonly valueType?: z.ZodType
  readonly catchall?: z.ZodType
  readonly shape?: Readonly<Record<string, z.ZodType>>
}

const TYPES = ['object', 'string', 'number', 'boolean', 'array', 'record', 'enum', 'optional', 'default', 'prefault']
const CHECKS = ['min_length', 'max_length', 'greater_than', 'less_than', 'string_format', 'number_format']

const definitionOf = (schema: z.ZodType): Definition => schema._zod.def as unknown as Definition

const checkFault = ({ _zod: { def } }: NonNullable<Definition['checks']>[number]): string | undefined => {
  if (!CHECKS.includes(def.check)) return `a check of kind ${def.check} would vanish; write it as CEL`
  if (def.check === 'string_format' && def.format !== 'regex') return `Kubernetes has no string format ${def.format}`
  if (def.inclusive === false) return 'bounds must be inclusive'
  return undefined
}

const faultOf = (schema: z.ZodType): string | undefined => {
  const { type, format, coerce, checks = [], catchall, keyType } = definitionOf(schema)
  if (!TYPES.includes(type)) return `zod's ${type} has no counterpart in Kubernetes`
  if (coerce) return 'coercion would vanish'
  if (type === 'string' && format !== undefined) return `Kubernetes has no string format ${format}`
  if (catchall !== undefined) return 'strict and loose objects are refused by Kubernetes'
  if (keyType !== undefined && (definitionOf(keyType).checks?.length ?? 0) > 0)
    return 'checks of keys are refused; write them as CEL on the map'
  if (z.globalRegistry.get(schema)?.id !== undefined) return 'meta id makes a $ref, which Kubernetes refuses'
  if (checks.filter((check) => check._zod.def.check === 'string_format').length > 1) return 'two patterns make an allOf'
  return checks.map(checkFault).find((fault) => fault !== undefined)
}

const childrenOf = (schema: z.ZodType): readonly (readonly [suffix: string, child: z.ZodType])[] => {
  const { innerType, element, valueType, shape = {} } = definitionOf(schema)
  return [
    ...(innerType ? [['', innerType] as const] : []),
    ...(element ? [['[]', element] as const] : []),
    ...(valueType ? [['{}', valueType] as const] : []),
    ...Object.entries(shape).map(([key, child]) => [`.${key}`, child] as const),
  ]
}

const assertExpressible = (schema: z.ZodType, path: string): void => {
  const fault = faultOf(schema)
  if (fault !== undefined) throw new SchemaError(path, fault)
  for (const [suffix, child] of childrenOf(schema)) assertExpressible(child, path + suffix)
}

const boundFault = ({ type, maxLength, maxItems, maxProperties, ...schema }: OpenApi): string | undefined => {
  if (type === 'string' && maxLength === undefined && schema.enum === undefined)
    return 'a string needs a largest length'
  if (type === 'array' && maxItems === undefined) return 'a list needs a largest size'
  if (schema.additionalProperties !== undefined && maxProperties === undefined) return 'a map needs a largest size'
  if (schema['x-kubernetes-validations']?.some(({ message }) => message === '')) return 'a rule needs a message'
  return undefined
}

const RULES = 'x-kubernetes-validations'

/** An object's default with the defaults of its fields, all the way down. */
const filled = ({ default: value, properties = {} }: OpenApi): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const fields = Object.entries(properties).map(([key, child]) => [key, filled(child)] as const)
  return { ...Object.fromEntries(fields.filter(([, field]) => field !== undefined)), ...value }
}

/** The API server judges the rules of an object on its bare default when a CRD is created, so that default must be whole. */
const withWholeDefault = (schema: OpenApi): OpenApi =>
  schema[RULES] && schema.default !== undefined ? { ...schema, default: filled(schema) } : schema

const normalise = (schema: OpenApi, path: string, described = true): OpenApi => {
  const fault = boundFault(schema) ?? (described && !schema.description ? 'a field needs a description' : undefined)
  if (fault !== undefined) throw new SchemaError(path, fault)
  const unknown = Object.keys(schema).filter((key) => !(KEYS as readonly string[]).includes(key))
  if (unknown.length > 0) throw new SchemaError(path, `${unknown.join(', ')} is not known to the generator`)
  const ordered = Object.fromEntries(KEYS.filter((key) => schema[key] !== undefined).map((key) => [key, schema[key]]))
  return {
    ...withWholeDefault(ordered as OpenApi),
    ...(schema.items && { items: normalise(schema.items, `${path}[]`) }),
    ...(schema.additionalProperties && {
      additionalProperties: normalise(schema.additionalProperties, `${path}{}`, false),
    }),
    ...(schema.properties && {
      properties: Object.fromEntries(
        Object.entries(schema.properties).map(([key, child]) => [key, normalise(child, `${path}.${key}`)]),
      ),
    }),
  }
}

/**
 * The OpenAPI schema of what may be written.
 * @throws SchemaError with the path of what Kubernetes would refuse, or drop.
 */
export const openApiOf = (schema: z.ZodType, path = ''): OpenApi => {
  assertExpressible(schema, path)
  const json = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline' })
  return normalise(json as unknown as OpenApi, path)
}
