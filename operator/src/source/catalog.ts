/**
 * What a scan of the folder changes in what is known: the part of an API server that gives uids, counts generations and marks
 * deletions. Pure.
 *
 * - A resource that was refused keeps its last good version.
 * - Nothing is removed while the scan is not whole (the folder or a file could not be read) or while some document does not tell
 *   which resource it is. What is missing from a whole scan is only reported; it goes when a second scan misses it too.
 * - A resource that is being deleted no longer follows its manifest; a manifest that is back makes a new one when it is gone.
 */
import { isDeepStrictEqual } from 'node:util'
import { label, type Ref } from '@fleetloom/crds/names'
import type { Accepted, Reading } from './manifests.ts'
import type { Kind, Refusal, Resource } from './source.ts'

export type Catalog = ReadonlyMap<string, Resource>

export type Scan = Reading & {
  /** Whether the folder and all its files could be read. */
  readonly whole: boolean
}

export type CatalogUpdate = {
  readonly catalog: Catalog
  /** Keys of what changed or went. */
  readonly changed: readonly string[]
  /** Keys that this scan misses and that are not marked yet. */
  readonly missing: readonly string[]
}

export type Stamp = { readonly now: string; readonly uid: () => string }

export const keyOf = (kind: Kind, ref: Ref): string => `${kind} ${label(ref)}`

const create = ({ kind, ref, annotations, spec }: Accepted, { uid }: Stamp): Resource => ({
  kind,
  metadata: { ...ref, uid: uid(), generation: 1, finalizers: [], annotations },
  spec,
})

/** The resource as its manifest now has it; the same object when nothing changed. */
const follow = (known: Resource, { annotations, spec }: Accepted): Resource => {
  const { metadata } = known
  const sameSpec = isDeepStrictEqual(known.spec, spec)
  if (metadata.deletionTimestamp !== undefined) return known
  if (sameSpec && isDeepStrictEqual(metadata.annotations, annotations)) return known
  const generation = metadata.generation + (sameSpec ? 0 : 1)
  return { ...known, metadata: { ...metadata, annotations, generation }, spec }
}

/** The resource marked for deletion, or undefined when nothing holds it. */
export const remove = (known: Resource, now: string): Resource | undefined => {
  const { metadata } = known
  if (metadata.finalizers.length === 0) return undefined
  if (metadata.deletionTimestamp !== undefined) return known
  return { ...known, metadata: { ...metadata, deletionTimestamp: now, generation: metadata.generation + 1 } }
}

const mentioned = ({ resource }: Refusal): string[] => (resource ? [keyOf(resource.kind, resource)] : [])

const missingFrom = (catalog: Catalog, { accepted, refusals, whole }: Scan): string[] => {
  if (!whole || refusals.some((refusal) => refusal.resource === undefined)) return []
  const present = new Set([...accepted.map(({ kind, ref }) => keyOf(kind, ref)), ...refusals.flatMap(mentioned)])
  return [...catalog]
    .filter(([key, { metadata }]) => !present.has(key) && metadata.deletionTimestamp === undefined)
    .map(([key]) => key)
}

/** What is known after a scan. `missedBefore` are the keys that the scan before this one missed. */
export const updateCatalog = (
  catalog: Catalog,
  scan: Scan,
  missedBefore: ReadonlySet<string>,
  stamp: Stamp,
): CatalogUpdate => {
  const next = new Map(catalog)
  for (const accepted of scan.accepted) {
    const key = keyOf(accepted.kind, accepted.ref)
    const known = catalog.get(key)
    next.set(key, known ? follow(known, accepted) : create(accepted, stamp))
  }
  const missing = missingFrom(catalog, scan)
  const confirmed = missing.filter((key) => missedBefore.has(key))
  for (const key of confirmed) {
    const left = remove(catalog.get(key) as Resource, stamp.now)
    if (left) next.set(key, left)
    else next.delete(key)
  }
  const changed = [...new Set([...catalog.keys(), ...next.keys()])].filter((key) => catalog.get(key) !== next.get(key))
  return { catalog: next, changed, missing: missing.filter((key) => !missedBefore.has(key)) }
}
