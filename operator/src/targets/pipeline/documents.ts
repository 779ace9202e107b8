/** The fleets' documents in the pipeline bucket: read with their revision, written by compare and set, and only when they change. */
import { isDeepStrictEqual } from 'node:util'
import { fleetKey, type Ref } from '@fleetloom/crds/names'
import { type FleetDocument, parseFleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { KV } from '@nats-io/kv'

export type Stored = { readonly document: FleetDocument; readonly revision: number }

export type Documents = {
  read(fleet: Ref): Promise<Stored | undefined>
  /** Writes over `before`, or anew when there is none; fails when someone else wrote meanwhile. */
  write(document: FleetDocument, before: Stored | undefined): Promise<Stored>
  remove(fleet: Ref): Promise<void>
}

export const documentsIn = (kv: KV): Documents => ({
  read: async (fleet) => {
    const entry = await kv.get(fleetKey(fleet))
    if (entry?.operation !== 'PUT') return undefined
    const parsed = parseFleetDocument(entry.value)
    if ('error' in parsed) throw new Error(`the document of the fleet can't be read: ${parsed.error}`)
    return { document: parsed.ok, revision: entry.revision }
  },
  write: async (document, before) => {
    if (before && isDeepStrictEqual(before.document, document)) return before
    const [key, value] = [fleetKey(document), JSON.stringify(document)]
    const revision = before ? await kv.update(key, value, before.revision) : await kv.create(key, value)
    return { document, revision }
  },
  remove: (fleet) => kv.delete(fleetKey(fleet)),
})

/** What of a document changed, in words for an event. */
export const differenceOf = (before: FleetDocument | undefined, after: FleetDocument): string => {
  if (!before) return `generation ${after.generation} is published`
  const keys = Object.keys(after) as (keyof FleetDocument)[]
  const changed = keys.filter((key) => !isDeepStrictEqual(before[key], after[key]))
  return changed
    .map((key) => (key === 'generation' ? `generation ${before.generation} → ${after.generation}` : key))
    .join(', ')
}
