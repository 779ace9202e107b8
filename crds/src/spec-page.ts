/** The page of a kind in `docs/spec/`: every field with its type, default, bounds and meaning, and every rule. */
import { REASONS } from './conditions.ts'
import { API_VERSION, KINDS, type KindName, resourceSchema } from './kinds.ts'
import type { OpenApi } from './openapi.ts'

type Field = { readonly path: string; readonly schema: OpenApi; readonly required: boolean }

const childPath = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)

const fieldsOf = (schema: OpenApi, path: string): readonly Field[] => {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => [
    { path: childPath(path, key), schema: child, required: schema.required?.includes(key) ?? false },
    ...fieldsOf(child, childPath(path, key)),
  ])
  return schema.items ? [...own, ...fieldsOf(schema.items, `${path}[]`)] : own
}

const typeOf = ({ type, items, additionalProperties, enum: words }: OpenApi): string => {
  if (items) return `list of ${typeOf(items)}`
  if (additionalProperties) return `map of ${typeOf(additionalProperties)}`
  return words ? words.map((word) => `\`${word}\``).join(' ') : type
}

const span = (low: number | undefined, high: number | undefined, what: string): string[] => {
  if (low === undefined && high === undefined) return []
  if (low === undefined) return [`at most ${high}${what}`]
  return [high === undefined ? `at least ${low}${what}` : `${low} to ${high}${what}`]
}

const boundsOf = (schema: OpenApi): string =>
  [
    ...span(schema.minimum, schema.maximum, ''),
    ...(schema.type === 'string' && !schema.enum ? span(schema.minLength, schema.maxLength, ' characters') : []),
    ...(schema.pattern ? [`\`${schema.pattern}\``] : []),
    ...span(schema.minItems, schema.maxItems, ' items'),
    ...span(undefined, schema.maxProperties, ' entries'),
    ...(schema['x-kubernetes-list-map-keys'] ?? []).map((key) => `each \`${key}\` once`),
    ...(schema['x-kubernetes-list-type'] === 'set' ? ['each item once'] : []),
  ].join(', ')

const cell = (text: string): string => text.replaceAll('|', '\\|')

const defaultOf = ({ default: value, properties }: OpenApi, required: boolean): string => {
  if (required) return 'required'
  if (value === undefined || properties !== undefined) return ''
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

const meaningOf = (schema: OpenApi): string => {
  const bounds = boundsOf(schema)
  return bounds === '' ? `${schema.description}` : `${schema.description} (${bounds})`
}

const fieldRow = ({ path, schema, required }: Field): string =>
  `| \`${path}\` | ${cell(typeOf(schema))} | ${cell(defaultOf(schema, required))} | ${cell(meaningOf(schema))} |`

const table = (fields: readonly Field[]): string =>
  ['| field | type | default | meaning |', '|---|---|---|---|', ...fields.map(fieldRow)].join('\n')

const messagesOf = (schema: OpenApi, path: string): readonly (readonly [message: string, path: string])[] => [
  ...(schema['x-kubernetes-validations'] ?? []).map(({ message }) => [message, path || 'metadata'] as const),
  ...Object.entries(schema.properties ?? {}).flatMap(([key, child]) => messagesOf(child, childPath(path, key))),
  ...(schema.items ? messagesOf(schema.items, `${path}[]`) : []),
]

const ruleList = (schema: OpenApi): string => {
  const byMessage = Map.groupBy(messagesOf(schema, ''), ([message]) => message)
  return [...byMessage]
    .map(([message, found]) => `- ${found.map(([, path]) => `\`${path}\``).join(', ')}: ${message}`)
    .join('\n')
}

const reasons = (): string =>
  Object.entries(REASONS)
    .map(([reason, meaning]) => `| \`${reason}\` | ${meaning} |`)
    .join('\n')

export const specPage = (name: KindName): string => {
  const { kind, plural, shortNames, about, columns } = KINDS[name]
  const schema = resourceSchema(name)
  const { spec, status } = schema.properties as { spec: OpenApi; status: OpenApi }
  return `<!-- Generated from crds/src by \`npm run generate\`; do not edit. -->
# ${kind}

${about}

\`apiVersion: ${API_VERSION}\`, \`kind: ${kind}\`, namespaced; \`kubectl get ${plural}\` (short: ${shortNames.map((short) => `\`${short}\``).join(', ')}) shows ${columns.map((column) => column.name).join(', ')}.

Durations are a whole number and one of \`ms s m h d w y\` (a year has 365 days); quantities a whole number of bytes, or one with
\`k M G T\` (powers of 1000) or \`Ki Mi Gi Ti\` (powers of 1024).

## spec

${table(fieldsOf(spec, 'spec'))}

## Rules

A resource that breaks one is refused with the message below; in standalone mode the last good version keeps running.

${ruleList(schema)}

## status

${table(fieldsOf(status, 'status'))}

Reasons of conditions and events:

| reason | meaning |
|---|---|
${reasons()}
`
}
