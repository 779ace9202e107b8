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

/** Levels that a filter of the kind `fleets/NAMESPACE/FLEET/…` begins with. */
const PREFIX_LEVELS = 3

const isWild = (level: string): boolean => level === '+' || level === '#'

/**
 * Claims by the levels they begin with, so that what may overlap with a filter is found without walking through all. A filter
 * that begins with three literal levels can only meet those that begin alike, or that have a wildcard among their first three;
 * the first level is always a literal.
 */
export class ClaimIndex {
  readonly #byPrefix = new Map<string, Map<string, Claim>>()

  put(key: string, one: Claim): void {
    for (const prefix of this.#prefixes(one.filter)) {
      const group = this.#byPrefix.get(prefix) ?? new Map<string, Claim>()
      this.#byPrefix.set(prefix, group.set(key, one))
    }
  }

  delete(key: string, { filter }: Claim): void {
    for (const prefix of this.#prefixes(filter)) {
      const group = this.#byPrefix.get(prefix)
      group?.delete(key)
      if (group?.size === 0) this.#byPrefix.delete(prefix)
    }
  }

  /** Claims that may overlap with a filter. */
  near(filter: string): Iterable<Claim> {
    const levels = filter.split('/')
    const [root = ''] = levels
    const first = levels.slice(0, PREFIX_LEVELS)
    const groups = first.some(isWild) ? [`all ${root}`] : [`literal ${first.join('/')}`, `wild ${root}`]
    return groups.flatMap((group) => [...(this.#byPrefix.get(group)?.values() ?? [])])
  }

  #prefixes(filter: string): string[] {
    const levels = filter.split('/')
    const [root = ''] = levels
    const first = levels.slice(0, PREFIX_LEVELS)
    return [`all ${root}`, first.some(isWild) ? `wild ${root}` : `literal ${first.join('/')}`]
  }
}

export class Claims {
  readonly #kv: KV
  readonly #known = new Map<string, Claim>()
  readonly #index = new ClaimIndex()
  /** Keys by the label of their fleet. */
  readonly #owned = new Map<string, Set<string>>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(kv: KV) {
    this.#kv = kv
  }

  /** To be told of every entry of the bucket; other keys are passed over. */
  onPut(key: string, value: Uint8Array): void {
    if (key.startsWith(PREFIX)) this.#learn(key, claim.parse(JSON.parse(new TextDecoder().decode(value))))
  }

  onDelete(key: string): void {
    const known = this.#known.get(key)
    if (!known) return
    this.#index.delete(key, known)
    this.#known.delete(key)
    const owned = this.#owned.get(label(known))
    owned?.delete(key)
    if (owned?.size === 0) this.#owned.delete(label(known))
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

  /** Why a fleet can't claim these filters now; undefined when it can. Changes nothing. */
  conflictOf(fleet: Ref, filters: readonly string[]): Stalling | undefined {
    for (const filter of filters.filter((one) => !this.#isHeldBy(fleet, one))) {
      const found = conflictOf(fleet, [filter], this.#index.near(filter))
      if (found) return conflict(found.filter, fleet, found.other)
    }
    return undefined
  }

  /** Frees what a fleet has claimed beyond `keep` and returns it. */
  async release(fleet: Ref, keep: readonly string[]): Promise<readonly string[]> {
    const kept = new Set(keep.map(topicClaimKey))
    const surplus = [...(this.#owned.get(label(fleet)) ?? [])].filter((key) => !kept.has(key))
    const filters = surplus.map((key) => (this.#known.get(key) as Claim).filter)
    for (const key of surplus) {
      await this.#kv.delete(key)
      this.onDelete(key)
    }
    return filters
  }

  async #claim(fleet: Ref, filters: readonly string[]): Promise<readonly string[]> {
    const found = this.conflictOf(fleet, filters)
    if (found) throw found
    const missing = filters.filter((filter) => !this.#isHeldBy(fleet, filter))
    for (const filter of missing) await this.#create(fleet, filter)
    return missing
  }

  /** What a fleet holds nobody else can have overlapped with since. */
  #isHeldBy(fleet: Ref, filter: string): boolean {
    const known = this.#known.get(topicClaimKey(filter))
    return known !== undefined && isOwn(fleet, known)
  }

  #learn(key: string, one: Claim): void {
    this.onDelete(key)
    this.#known.set(key, one)
    this.#index.put(key, one)
    this.#owned.set(label(one), (this.#owned.get(label(one)) ?? new Set()).add(key))
  }

  async #create({ namespace, name }: Ref, filter: string): Promise<void> {
    const value: Claim = { filter, namespace, name }
    const key = topicClaimKey(filter)
    try {
      await this.#kv.create(key, JSON.stringify(value))
    } catch (error) {
      const held = await this.#kv.get(key)
      if (held?.operation !== 'PUT') throw error
      this.onPut(key, held.value)
      const other = this.#known.get(key) as Claim
      if (!isOwn(value, other)) throw conflict(filter, value, other)
    }
    this.#learn(key, value)
  }
}
