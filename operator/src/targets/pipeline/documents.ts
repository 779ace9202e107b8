/**
 * The documents of one kind of resource in the pipeline bucket: known by following the bucket, written by compare and set, and only
 * when they change. A write that finds another revision than it knew fails, and what is there is known from then on.
 */
import { isDeepStrictEqual } from 'node:util'
import { fleetKey, type Ref, ruleKey } from '@fleetloom/crds/names'
import { parseRuleDocument, type RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import { type FleetDocument, parseFleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Parsed } from '@fleetloom/shared/pipeline/parse-document'
import type { KV } from '@nats-io/kv'

/** What every document says of the resource it comes from. */
export type Document = Ref & { readonly uid: string; readonly generation: number }

export type Stored<D extends Document> = { readonly document: D; readonly revision: number }

/** How documents of a kind are kept. */
export type Format<D extends Document> = {
  readonly kind: string
  readonly prefix: string
  readonly keyOf: (ref: Ref) => string
  readonly parse: (value: Uint8Array) => Parsed<D>
}

export const FLEET_DOCUMENTS: Format<FleetDocument> = {
  kind: 'fleet',
  prefix: 'fleet.',
  keyOf: fleetKey,
  parse: parseFleetDocument,
}

export const RULE_DOCUMENTS: Format<RuleDocument> = {
  kind: 'rule',
  prefix: 'rule.',
  keyOf: ruleKey,
  parse: parseRuleDocument,
}

type Held<D> = { readonly value: Uint8Array; readonly revision: number; parsed?: Parsed<D> }

export class Documents<D extends Document> {
  readonly #kv: KV
  readonly #format: Format<D>
  readonly #held = new Map<string, Held<D>>()

  constructor(kv: KV, format: Format<D>) {
    this.#kv = kv
    this.#format = format
  }

  /** To be told of every entry of the bucket; other keys are passed over. */
  onPut(key: string, value: Uint8Array, revision: number): void {
    if (key.startsWith(this.#format.prefix) && revision > (this.#held.get(key)?.revision ?? 0))
      this.#held.set(key, { value, revision })
  }

  onDelete(key: string): void {
    this.#held.delete(key)
  }

  /** Every resource that has a document. */
  refs(): Ref[] {
    return [...this.#held.keys()].map((key) => {
      const [, namespace = '', name = ''] = key.split('.')
      return { namespace, name }
    })
  }

  /** @throws when the document is of another format. */
  read(ref: Ref): Stored<D> | undefined {
    const held = this.#held.get(this.#format.keyOf(ref))
    if (!held) return undefined
    const parsed = this.#parse(held)
    if ('error' in parsed) throw new Error(`the document of the ${this.#format.kind} can't be read: ${parsed.error}`)
    return { document: parsed.ok, revision: held.revision }
  }

  /** All that can be read. */
  all(): readonly D[] {
    return [...this.#held.values()].flatMap((held) => {
      const parsed = this.#parse(held)
      return 'ok' in parsed ? [parsed.ok] : []
    })
  }

  /** Writes over `before`, or anew when there is none. @throws when someone else wrote meanwhile. */
  async write(document: D, before: Stored<D> | undefined): Promise<Stored<D>> {
    if (before && isDeepStrictEqual(before.document, document)) return before
    const [key, value] = [this.#format.keyOf(document), JSON.stringify(document)]
    try {
      const revision = before ? await this.#kv.update(key, value, before.revision) : await this.#kv.create(key, value)
      this.onPut(key, new TextEncoder().encode(value), revision)
      return { document, revision }
    } catch (error) {
      await this.#refresh(key)
      throw error
    }
  }

  async remove(ref: Ref): Promise<void> {
    const key = this.#format.keyOf(ref)
    await this.#kv.delete(key)
    this.onDelete(key)
  }

  /** Once for each revision. */
  #parse(held: Held<D>): Parsed<D> {
    held.parsed ??= this.#format.parse(held.value)
    return held.parsed
  }

  async #refresh(key: string): Promise<void> {
    const entry = await this.#kv.get(key)
    this.onDelete(key)
    if (entry?.operation === 'PUT') this.onPut(key, entry.value, entry.revision)
  }
}

/** What of a document changed, in words for an event. */
export const differenceOf = <D extends Document>(before: D | undefined, after: D): string => {
  if (!before) return `generation ${after.generation} is published`
  const keys = [...new Set([...Object.keys(after), ...Object.keys(before)])] as (keyof D & string)[]
  const changed = keys.filter((key) => !isDeepStrictEqual(before[key], after[key]))
  return changed
    .map((key) => (key === 'generation' ? `generation ${before.generation} → ${after.generation}` : key))
    .join(', ')
}

/** The document if it is that of this very resource, and not of one of the same name before it. */
export const ownDocument = <D extends Document>(
  stored: Stored<D> | undefined,
  { uid }: { readonly uid: string },
): D | undefined => (stored?.document.uid === uid ? stored.document : undefined)
