/**
 * Who may use which topics: a KV key for each filter that a fleet claims, created once and holding its owner. Two fleets whose
 * filters can match one topic conflict; the one that came first keeps it. One claim is made at a time, so that two fleets that are
 * new together can't both pass the check.
 */
import { label, type Ref, topicClaimKey } from '@fleetloom/crds/names'
import { overlaps } from '@fleetloom/crds/topics'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { Stalling } from '../../loop/errors.ts'

const claim = z.object({ filter: z.string(), namespace: z.string(), name: z.string() })
export type Claim = z.infer<typeof claim>

const PREFIX = 'topic.'

const isOwn = (fleet: Ref, { namespace, name }: Ref): boolean => namespace === fleet.namespace && name === fleet.name

/** Names the other fleet only within its own namespace: what other tenants have is theirs to know. */
const conflict = (filter: string, fleet: Ref, other: Claim): Stalling => {
  const who =
    other.namespace === fleet.namespace ? `fleet ${label(other)} (${other.filter})` : 'a fleet of another namespace'
  return new Stalling(
    'TopicConflict',
    `${filter} overlaps with what ${who} claims; use other topics, or remove them from that fleet first`,
  )
}

/** The first of `wanted` that another fleet has, with that claim. */
export const conflictOf = (
  fleet: Ref,
  wanted: readonly string[],
  claims: Iterable<Claim>,
): { readonly filter: string; readonly other: Claim } | undefined => {
  for (const other of claims) {
    if (isOwn(fleet, other)) continue
    const filter = wanted.find((one) => overlaps(one, other.filter))
    if (filter !== undefined) return { filter, other }
  }
  return undefined
}

export class Claims {
  readonly #kv: KV
  readonly #known = new Map<string, Claim>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(kv: KV) {
    this.#kv = kv
  }

  /** To be told of every entry of the bucket; other keys are passed over. */
  onPut(key: string, value: Uint8Array): void {
    if (key.startsWith(PREFIX)) this.#known.set(key, claim.parse(JSON.parse(new TextDecoder().decode(value))))
  }

  onDelete(key: string): void {
    this.#known.delete(key)
  }

  /**
   * Claims filters for a fleet and returns those that are new.
   * @throws Stalling TopicConflict when another fleet has one that overlaps; then none is claimed.
   */
  claim(fleet: Ref, filters: readonly string[]): Promise<readonly string[]> {
    const mine = this.#turn.then(() => this.#claim(fleet, filters))
    this.#turn = mine.catch(() => undefined)
    return mine
  }

  /** Frees what a fleet has claimed beyond `keep` and returns it. */
  async release(fleet: Ref, keep: readonly string[]): Promise<readonly string[]> {
    const surplus = [...this.#known].filter(([, one]) => isOwn(fleet, one) && !keep.includes(one.filter))
    for (const [key] of surplus) {
      await this.#kv.delete(key)
      this.#known.delete(key)
    }
    return surplus.map(([, { filter }]) => filter)
  }

  async #claim(fleet: Ref, filters: readonly string[]): Promise<readonly string[]> {
    const found = conflictOf(fleet, filters, this.#known.values())
    if (found) throw conflict(found.filter, fleet, found.other)
    const missing = filters.filter((filter) => !this.#known.has(topicClaimKey(filter)))
    for (const filter of missing) await this.#create(fleet, filter)
    return missing
  }

  async #create({ namespace, name }: Ref, filter: string): Promise<void> {
    const value: Claim = { filter, namespace, name }
    const key = topicClaimKey(filter)
    const held = await this.#kv.get(key)
    if (held?.operation === 'PUT') {
      this.onPut(key, held.value)
      const other = this.#known.get(key) as Claim
      if (!isOwn(value, other)) throw conflict(filter, value, other)
    } else await this.#kv.create(key, JSON.stringify(value))
    this.#known.set(key, value)
  }
}
