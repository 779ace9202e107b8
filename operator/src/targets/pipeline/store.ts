/** Fleets' documents and what services have applied of them, in KV. Documents are written by compare and set on the revision. */
import { appliedKey, fleetKey, type Ref } from '@fleetloom/crds/names'
import { type AppliedDocument, appliedDocument } from '@fleetloom/shared/pipeline/applied-document'
import { type FleetDocument, parseFleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { KV } from '@nats-io/kv'

export type Published = { readonly document: FleetDocument | undefined; readonly revision: number }

/** Sessions beyond the wanted ones that may still be there: the most that a spec can have. */
const MAX_SESSIONS = 16

const encode = (document: FleetDocument): Uint8Array => new TextEncoder().encode(JSON.stringify(document))

const parseApplied = (bytes: Uint8Array): AppliedDocument | undefined => {
  try {
    return appliedDocument.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data
  } catch {
    return undefined
  }
}

export class PipelineStore {
  readonly #pipeline: KV
  readonly #applied: KV

  constructor(pipeline: KV, applied: KV) {
    this.#pipeline = pipeline
    this.#applied = applied
  }

  /** `document` is undefined where there is none or it can't be read; `revision` is 0 where the key was never written. */
  async published(fleet: Ref): Promise<Published> {
    const entry = await this.#pipeline.get(fleetKey(fleet))
    if (!entry) return { document: undefined, revision: 0 }
    const parsed = entry.operation === 'PUT' ? parseFleetDocument(entry.value) : undefined
    return { document: parsed && 'ok' in parsed ? parsed.ok : undefined, revision: entry.revision }
  }

  /** Rejects when someone else wrote meanwhile. */
  async publish(document: FleetDocument, revision: number): Promise<Published> {
    return { document, revision: await this.#pipeline.update(fleetKey(document), encode(document), revision) }
  }

  async remove(fleet: Ref, revision: number): Promise<void> {
    await this.#pipeline.delete(fleetKey(fleet), { previousSeq: revision })
  }

  /** What each session of ingest has applied, by session. */
  async ingest(fleet: Ref): Promise<readonly (AppliedDocument | undefined)[]> {
    const keys = Array.from({ length: MAX_SESSIONS }, (_, session) => appliedKey('ingest', fleet, session))
    return Promise.all(keys.map((key) => this.#read(key)))
  }

  writer(fleet: Ref): Promise<AppliedDocument | undefined> {
    return this.#read(appliedKey('writer', fleet))
  }

  /** Forgets what was applied of a fleet that is gone. Returns how many keys there were. */
  async forgetApplied(fleet: Ref): Promise<number> {
    const sessions = Array.from({ length: MAX_SESSIONS }, (_, session) => appliedKey('ingest', fleet, session))
    let forgotten = 0
    for (const key of [...sessions, appliedKey('writer', fleet)]) {
      if ((await this.#applied.get(key))?.operation !== 'PUT') continue
      await this.#applied.delete(key)
      forgotten++
    }
    return forgotten
  }

  async #read(key: string): Promise<AppliedDocument | undefined> {
    const entry = await this.#applied.get(key)
    return entry?.operation === 'PUT' ? parseApplied(entry.value) : undefined
  }
}

/** The fleet behind a key of the applied bucket. */
export const fleetOfApplied = (key: string): Ref | undefined => {
  const [service, namespace, name, session] = key.split('.')
  const isService = service === 'ingest' || service === 'writer'
  return isService && namespace && name && session !== undefined ? { namespace, name } : undefined
}
