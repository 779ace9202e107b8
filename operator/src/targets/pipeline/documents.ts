/**
 * The fleets' documents in the pipeline bucket: known by following the bucket, written by compare and set, and only when they
 * change. A write that finds another revision than it knew fails, and what is there is known from then on.
 */
import { isDeepStrictEqual } from 'node:util'
import { fleetKey, fleetOfKey, type Ref } from '@fleetloom/crds/names'
import { type FleetDocument, parseFleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { KV } from '@nats-io/kv'

export type Stored = { readonly document: FleetDocument; readonly revision: number }

const PREFIX = 'fleet.'

export class Documents {
  readonly #kv: KV
  readonly #held = new Map<string, { readonly value: Uint8Array; readonly revision: number }>()

  constructor(kv: KV) {
    this.#kv = kv
  }

  /** To be told of every entry of the bucket; other keys are passed over. */
  onPut(key: string, value: Uint8Array, revision: number): void {
    if (key.startsWith(PREFIX) && revision > (this.#held.get(key)?.revision ?? 0))
      this.#held.set(key, { value, revision })
  }

  onDelete(key: string): void {
    this.#held.delete(key)
  }

  /** Every fleet that has a document. */
  fleets(): Ref[] {
    return [...this.#held.keys()].flatMap((key) => fleetOfKey(key) ?? [])
  }

  /** @throws when the document is of another format. */
  read(fleet: Ref): Stored | undefined {
    const held = this.#held.get(fleetKey(fleet))
    if (!held) return undefined
    const parsed = parseFleetDocument(held.value)
    if ('error' in parsed) throw new Error(`the document of the fleet can't be read: ${parsed.error}`)
    return { document: parsed.ok, revision: held.revision }
  }

  /** Writes over `before`, or anew when there is none. @throws when someone else wrote meanwhile. */
  async write(document: FleetDocument, before: Stored | undefined): Promise<Stored> {
    if (before && isDeepStrictEqual(before.document, document)) return before
    const [key, value] = [fleetKey(document), JSON.stringify(document)]
    try {
      const revision = before ? await this.#kv.update(key, value, before.revision) : await this.#kv.create(key, value)
      this.onPut(key, new TextEncoder().encode(value), revision)
      return { document, revision }
    } catch (error) {
      await this.#refresh(key)
      throw error
    }
  }

  async remove(fleet: Ref): Promise<void> {
    await this.#kv.delete(fleetKey(fleet))
    this.onDelete(fleetKey(fleet))
  }

  async #refresh(key: string): Promise<void> {
    const entry = await this.#kv.get(key)
    this.onDelete(key)
    if (entry?.operation === 'PUT') this.onPut(key, entry.value, entry.revision)
  }
}

/** What of a document changed, in words for an event. */
export const differenceOf = (before: FleetDocument | undefined, after: FleetDocument): string => {
  if (!before) return `generation ${after.generation} is published`
  const keys = Object.keys(after) as (keyof FleetDocument)[]
  const changed = keys.filter((key) => !isDeepStrictEqual(before[key], after[key]))
  return changed
    .map((key) => (key === 'generation' ? `generation ${before.generation} → ${after.generation}` : key))
    .join(', ')
}
