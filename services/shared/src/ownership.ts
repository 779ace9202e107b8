/**
 * Which replica owns what. Every replica writes a heartbeat into the applied bucket and follows the others'; a key belongs
 * to the live member with the highest hash of (key, member): rendezvous hashing (Thaler and Ravishankar, 1998), so a member
 * that comes or goes moves only its own share.
 *
 * A member is live while its heartbeat keeps changing, judged by this process's own clock, so clocks need not agree. While
 * this replica can't write its own heartbeat it judges nobody: when NATS is away ownership stands still. Two replicas may
 * differ for a moment; the broker's session take-over and idempotent rows make that harmless.
 */
import { memberKey } from '@fleetloom/crds/names'
import type { KV } from '@nats-io/kv'
import { followBucket } from './pipeline/follow-bucket.ts'
import { hash32 } from './pipeline/shard.ts'
import { type Logger, messageOf } from './process/logger.ts'

export type Ownership = AsyncDisposable & {
  owns(key: string): boolean
  /** Called whenever the set of live members changed. */
  onChange(listener: () => void): void
}

const HEARTBEAT_MS = 1_000
const DEAD_AFTER_MS = 5_000

const scoreOf = (key: string, member: string): number => {
  const bytes = new TextEncoder().encode(`${key}\n${member}`)
  return hash32(bytes, 0, bytes.length)
}

/** The member that owns `key`; undefined when there is none. Ties go to the lesser name. */
export const ownerOf = (key: string, members: Iterable<string>): string | undefined => {
  let owner: string | undefined
  let best = -1
  for (const member of members) {
    const score = scoreOf(key, member)
    if (score > best || (score === best && member < (owner as string))) {
      owner = member
      best = score
    }
  }
  return owner
}

/** The live members, by when each was last heard of on this process's monotonic clock. */
class Members {
  readonly #self: string
  readonly #log: Logger
  readonly #lastSeenMs = new Map<string, number>()
  readonly #listeners = new Set<() => void>()

  constructor(self: string, log: Logger) {
    this.#self = self
    this.#log = log
    this.#lastSeenMs.set(self, 0)
  }

  names(): Iterable<string> {
    return this.#lastSeenMs.keys()
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  heard(name: string): void {
    const known = this.#lastSeenMs.has(name)
    this.#lastSeenMs.set(name, performance.now())
    if (!known) this.#changed()
  }

  left(name: string): void {
    if (name !== this.#self && this.#lastSeenMs.delete(name)) this.#changed()
  }

  /** Forgets for how long the others have been silent: it was us who could not hear. */
  forgive(): void {
    for (const name of this.#lastSeenMs.keys()) this.#lastSeenMs.set(name, performance.now())
  }

  /** Drops members that have been silent too long and returns them. */
  expire(): string[] {
    const deadline = performance.now() - DEAD_AFTER_MS
    const dead = [...this.#lastSeenMs].filter(([name, seenMs]) => name !== this.#self && seenMs < deadline)
    for (const [name] of dead) this.#lastSeenMs.delete(name)
    if (dead.length > 0) this.#changed()
    return dead.map(([name]) => name)
  }

  #changed(): void {
    this.#log.info({ members: [...this.#lastSeenMs.keys()].sort() }, 'members changed')
    for (const listener of this.#listeners) listener()
  }
}

type OwnershipOptions = { readonly kv: KV; readonly service: string; readonly replica: string; readonly log: Logger }

/** One heartbeat: show that we live, then drop those who do not. */
const heartbeat = ({ kv, service, replica, log }: OwnershipOptions, members: Members) => {
  let written = true
  return async (): Promise<void> => {
    try {
      await kv.put(memberKey(service, replica), '')
      if (!written) members.forgive()
      written = true
      for (const name of members.expire()) await kv.delete(memberKey(service, name))
    } catch (error) {
      written = false
      log.debug(`heartbeat not written, ownership stands still: ${messageOf(error)}`)
    }
  }
}

/** Resolves once this replica is a member and knows the others. */
export const joinOwnership = async (options: OwnershipOptions): Promise<Ownership> => {
  const { kv, service, replica, log } = options
  const prefix = memberKey(service, '')
  const members = new Members(replica, log)
  await kv.put(memberKey(service, replica), '')
  const follower = await followBucket({
    kv,
    log,
    onPut: (key) => key.startsWith(prefix) && members.heard(key.slice(prefix.length)),
    onDelete: (key) => key.startsWith(prefix) && members.left(key.slice(prefix.length)),
  })
  const beat = heartbeat(options, members)
  const timer = setInterval(() => void beat(), HEARTBEAT_MS)
  return {
    owns: (key) => ownerOf(key, members.names()) === replica,
    onChange: (listener) => members.onChange(listener),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      await follower[Symbol.asyncDispose]()
      await kv.delete(memberKey(service, replica)).catch((error) => log.warn(`could not leave: ${messageOf(error)}`))
    },
  }
}
