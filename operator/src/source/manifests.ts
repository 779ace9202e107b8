/**
 * YAML texts → resources, or refusals that name file, line, field and reason.
 *
 * 1. Each text is parted into documents; a document that is no YAML or whose kind or name can't be told is refused as a whole.
 * 2. A resource that appears twice, in one file or two, is refused in both places.
 * 3. What is left is held against the schema of its kind and filled with defaults (`structure.ts`); if that passes, its CEL
 *    rules are judged (`rules.ts`), transition rules against the last good version.
 */
import { API_VERSION, KIND_NAMES, resourceSchema } from '@fleetloom/crds/kinds'
import { label, type Ref } from '@fleetloom/crds/names'
import type { OpenApi } from '@fleetloom/crds/openapi'
import { didYouMean } from '@fleetloom/shared/nearest'
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { ruleFaults } from './rules.ts'
import type { Kind, Refusal } from './source.ts'
import { type Fault, type Path, pathText, structure } from './structure.ts'

export type ManifestFile = { readonly file: string; readonly text: string }

/** What a manifest asks for: valid, with defaults. */
export type Accepted = {
  readonly kind: Kind
  readonly ref: Ref
  readonly annotations: Readonly<Record<string, string>>
  readonly spec: unknown
}

export type Reading = { readonly accepted: readonly Accepted[]; readonly refusals: readonly Refusal[] }

/** The last good spec of a resource; undefined for a new one. */
export type LastGood = (kind: Kind, ref: Ref) => unknown

/** A document whose resource is known, not yet whether it is valid. */
type Manifest = {
  readonly kind: Kind
  readonly ref: Ref
  readonly value: Readonly<Record<string, unknown>>
  readonly place: string
  readonly refuse: (fault: Fault) => Refusal
}

type Fields = Readonly<Record<string, unknown>>

const MAX_DOCUMENTS = 1000
/** Faults of one manifest that are told. */
const MOST_FAULTS = 20

const NAMESPACE = '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'

const strings: OpenApi = { type: 'object', additionalProperties: { type: 'string' }, default: {} }

const METADATA: OpenApi = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 253 },
    namespace: { type: 'string', pattern: NAMESPACE, default: 'default' },
    labels: strings,
    annotations: strings,
  },
}

/** What a server writes into metadata; `kubectl get -o yaml` shows it, and it is passed over. */
const SERVER_FIELDS = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'finalizers',
  'managedFields',
  'ownerReferences',
  'selfLink',
]

const manifestSchema = (kind: Kind): OpenApi => {
  const schema = resourceSchema(kind)
  const { status: _, ...properties } = schema.properties ?? {}
  return { ...schema, properties: { ...properties, metadata: METADATA } }
}

const SCHEMAS: Readonly<Record<Kind, OpenApi>> = {
  DeviceFleet: manifestSchema('DeviceFleet'),
  AlertRule: manifestSchema('AlertRule'),
}

const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined

const without = (fields: Fields, keys: readonly string[]): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([key]) => !keys.includes(key)))

type Step = { readonly node: unknown; readonly offset: number | undefined }

const step = (node: unknown, part: string | number): Step | undefined => {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === part)
    return pair && { node: pair.value, offset: (pair.key as Node).range?.[0] }
  }
  const item = isSeq(node) && typeof part === 'number' ? node.items[part] : undefined
  return isNode(item) ? { node: item, offset: item.range?.[0] } : undefined
}

/** Line of the field at `path`, or of the nearest one above it that is written down. */
const lineOf = (document: Document.Parsed, lines: LineCounter, path: Path): number => {
  let here: Step = { node: document.contents, offset: document.contents?.range?.[0] ?? document.range[0] }
  for (const part of path) {
    const node = isAlias(here.node) ? here.node.resolve(document) : here.node
    const next = step(node, part)
    if (next === undefined) break
    here = { node: next.node, offset: next.offset ?? here.offset }
  }
  return lines.linePos(here.offset ?? 0).line
}

const kindFault = ({ apiVersion, kind }: Fields): Fault | undefined => {
  if (apiVersion !== API_VERSION)
    return { path: ['apiVersion'], message: `must be ${API_VERSION}, not ${JSON.stringify(apiVersion) ?? 'missing'}` }
  if ((KIND_NAMES as readonly unknown[]).includes(kind)) return undefined
  const meant = typeof kind === 'string' ? didYouMean(kind, KIND_NAMES) : ''
  return {
    path: ['kind'],
    message: `must be ${KIND_NAMES.join(' or ')}, not ${JSON.stringify(kind) ?? 'missing'}${meant}`,
  }
}

const identityOf = (value: unknown): { fields: Fields; kind: Kind; ref: Ref } | Fault => {
  const fields = fieldsOf(value)
  if (fields === undefined)
    return { path: [], message: 'must be a resource: a map with apiVersion, kind, metadata, spec' }
  const fault = kindFault(fields)
  if (fault !== undefined) return fault
  const { name, namespace = 'default' } = fieldsOf(fields.metadata) ?? {}
  if (typeof name !== 'string' || name === '') return { path: ['metadata', 'name'], message: 'is required: text' }
  if (typeof namespace !== 'string') return { path: ['metadata', 'namespace'], message: 'must be text' }
  return { fields, kind: fields.kind as Kind, ref: { namespace, name } }
}

const withoutServerFields = (fields: Fields): Fields => {
  const metadata = fieldsOf(fields.metadata) ?? {}
  return { ...without(fields, ['status']), metadata: without(metadata, SERVER_FIELDS) }
}

const isTree = (value: unknown): boolean => {
  try {
    JSON.stringify(value)
    return true
  } catch {
    return false
  }
}

const contentOf = (document: Document.Parsed): { value: unknown } | { error: string } => {
  const [error] = document.errors
  if (error) return { error: error.message.split(/ at line |:\n/)[0] as string }
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    return isTree(value) ? { value } : { error: 'an alias stands inside of what it stands for' }
  } catch (thrown) {
    return { error: thrown instanceof Error ? thrown.message : String(thrown) }
  }
}

const isEmpty = (document: Document.Parsed): boolean => document.errors.length === 0 && document.contents === null

const readDocument = (file: string, document: Document.Parsed, lines: LineCounter): Manifest | Refusal => {
  const refuse = ({ path, message }: Fault): Refusal => ({
    file,
    line: lineOf(document, lines, path),
    field: pathText(path),
    message,
  })
  const content = contentOf(document)
  if ('error' in content) {
    const line = document.errors[0]?.linePos?.[0].line
    const whole = refuse({ path: [], message: `is not valid YAML: ${content.error}` })
    return line === undefined ? whole : { ...whole, line }
  }
  const identity = identityOf(content.value)
  if (!('ref' in identity)) return refuse(identity)
  const { fields, kind, ref } = identity
  return {
    kind,
    ref,
    value: withoutServerFields(fields),
    place: `${file}:${lineOf(document, lines, [])}`,
    refuse: (fault) => ({ ...refuse(fault), resource: { kind, ...ref } }),
  }
}

const readFile = ({ file, text }: ManifestFile): readonly (Manifest | Refusal)[] => {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: true })
  if (!Array.isArray(documents)) return []
  if (documents.length > MAX_DOCUMENTS)
    return [
      { file, line: 1, field: '', message: `holds more than ${MAX_DOCUMENTS} documents; part it into several files` },
    ]
  return documents.filter((document) => !isEmpty(document)).map((document) => readDocument(file, document, lines))
}

const keyOf = ({ kind, ref }: Pick<Manifest, 'kind' | 'ref'>): string => `${kind} ${label(ref)}`

/** A refusal for each fault; beyond some of them, how many more there are. */
const refuseAll = (faults: readonly Fault[], refuse: (fault: Fault) => Refusal): readonly Refusal[] => {
  const told = faults.slice(0, MOST_FAULTS).map(refuse)
  const more = faults.length - told.length
  return more > 0 ? [...told, refuse({ path: [], message: `and ${more} more faults` })] : told
}

const admit = ({ kind, ref, value, refuse }: Manifest, lastGood: LastGood): Accepted | readonly Refusal[] => {
  const schema = SCHEMAS[kind]
  const structured = structure(value, schema)
  if (structured.faults.length > 0) return refuseAll(structured.faults, refuse)
  const last = lastGood(kind, ref)
  const old = last === undefined ? undefined : { metadata: { name: ref.name }, spec: last }
  const faults = ruleFaults(structured.value, old, schema)
  if (faults.length > 0) return refuseAll(faults, refuse)
  const { metadata, spec } = structured.value as { metadata: Pick<Accepted, 'annotations'>; spec: unknown }
  return { kind, ref, annotations: metadata.annotations, spec }
}

/** Reads all files of a folder. Pure; never throws. */
export const readManifests = (files: readonly ManifestFile[], lastGood: LastGood): Reading => {
  const read = files.flatMap(readFile)
  const manifests = read.filter((one): one is Manifest => 'refuse' in one)
  const unreadable = read.filter((one): one is Refusal => !('refuse' in one))
  const byKey = Map.groupBy(manifests, keyOf)
  const outcomes = manifests.map((manifest) => {
    const others = (byKey.get(keyOf(manifest)) ?? []).filter((other) => other !== manifest)
    if (others.length === 0) return admit(manifest, lastGood)
    const places = others.map((other) => other.place).join(', ')
    return [manifest.refuse({ path: ['metadata', 'name'], message: `${keyOf(manifest)} is also defined in ${places}` })]
  })
  return {
    accepted: outcomes.filter((outcome): outcome is Accepted => 'spec' in outcome),
    refusals: [...unreadable, ...outcomes.flatMap((outcome) => ('spec' in outcome ? [] : outcome))],
  }
}
