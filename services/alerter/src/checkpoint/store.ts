/**
 * Checkpoints of a shard in the alerts bucket: what the engine knew when it had taken the stream up to a sequence.
 *
 * 1. The chunks, at most 512 KiB each, are written under keys of their own: `<key>.<token>.<n>`, with a token made anew.
 * 2. The manifest under `<key>` names the token, and is written by compare and set: that commits. A replica that lost the shard
 *    to another fails here and has changed nothing.
 * 3. All other chunks of the shard are purged: those of the manifest before, and what a crash left behind. Who is still writing
 *    some of them can't commit any more.
 *
 * A reader who finds a chunk gone was overtaken by step 3 of another writer, and reads the manifest again.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkpointKey, type Ref } from '@fleetloom/crds/names'
import type { Nats } from '@fleetloom/shared/nats'
import { parseDocument } from '@fleetloom/shared/pipeline/parse-document'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'

const AT_ONCE = 8
/** Between two chunks of a checkpoint that nobody waits for: all that is told goes through the same bucket. */
const REST_MS = 25
const READ_TRIES = 5
/** A replica that starts waits for all of its shards at once, so they are looked at less and less often. */
const HANDOVER = { longestMs: 3_000, firstMs: 100 } as const
const MAJOR = 1

const manifest = z.object({
  version: z.string(),
  token: z.string(),
  chunks: z.number().int(),
  sha256: z.string(),
  /** When the stream was made: sequences of another stream mean nothing. */
  streamCreated: z.string(),
  /** Everything up to this sequence is in the chunks. */
  sequence: z.number().int(),
  /** Whoever wrote it has let go of the shard, and nobody has taken it up since. */
  isLast: z.boolean().default(false),
})

type Manifest = z.infer<typeof manifest>

/** Where in which stream a checkpoint stands. */
export type Position = Pick<Manifest, 'streamCreated' | 'sequence'>

export type Checkpoint = Position & { readonly chunks: readonly Uint8Array[] }

/** With rests, unless somebody waits for it; given up when the signal is aborted. */
export type Pace = { readonly isHurried: () => boolean; readonly signal?: AbortSignal }

/** `before`: revision of the checkpoint that is written over (0: there is none). `isLast`: the shard is let go of. In a hurry by default. */
export type Writing = Partial<Pace> & { readonly before: number; readonly isLast?: boolean }

/** What stands under a shard's key. One that can't be read has a revision too: the next one is written over it. */
export type Found = { readonly revision: number; readonly checkpoint?: Checkpoint }

/** Another replica has written a newer checkpoint: the shard is its now. */
export class Overtaken extends Error {
  override name = 'Overtaken'
}

const digestOf = (chunks: readonly Uint8Array[]): string => {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

const isConflict = (error: unknown): boolean => (error as { code?: number }).code === 10071

const manifestOf = (value: Uint8Array): Manifest | undefined => {
  const parsed = parseDocument(value, manifest, MAJOR)
  return 'ok' in parsed ? parsed.ok : undefined
}

/** The shard behind the key of a manifest; undefined for a chunk's. */
const shardOfKey = (key: string): { readonly fleet: Ref; readonly shard: number } | undefined => {
  const [, namespace, name, shard, rest] = key.split('.')
  if (!namespace || !name || !shard || rest !== undefined) return undefined
  return { fleet: { namespace, name }, shard: Number(shard) }
}

export class CheckpointStore {
  readonly #kv: KV
  readonly #jsm: Nats['jsm']
  readonly #bucket: string

  constructor({ kv, jsm, bucket }: { readonly kv: KV; readonly jsm: Nats['jsm']; readonly bucket: string }) {
    this.#kv = kv
    this.#jsm = jsm
    this.#bucket = bucket
  }

  /** The newest checkpoint, to go on from: it is nobody's last one any more. Revision 0 when there is none. */
  async take(fleet: Ref, shard: number): Promise<Found> {
    const key = checkpointKey(fleet, shard)
    let revision = 0
    for (let tries = 0; tries < READ_TRIES; tries++) {
      const entry = await this.#kv.get(key)
      if (entry?.operation !== 'PUT') return { revision: 0 }
      revision = entry.revision
      const found = manifestOf(entry.value)
      if (!found) break
      const chunks = await this.#chunks(key, found)
      const claimed = chunks && (await this.#claim(key, found, revision))
      const { streamCreated, sequence } = found
      if (chunks && claimed) return { revision: claimed, checkpoint: { streamCreated, sequence, chunks } }
    }
    return { revision }
  }

  /** The shards that have a checkpoint. */
  async list(): Promise<{ readonly fleet: Ref; readonly shard: number }[]> {
    const keys = await this.#keys(checkpointKey({ namespace: '*', name: '*' }, '*'))
    return keys.flatMap((key) => shardOfKey(key) ?? [])
  }

  /** Writes a checkpoint; returns its revision. @throws Overtaken, and what the signal is aborted with */
  async write(
    fleet: Ref,
    shard: number,
    next: Checkpoint,
    { before, isLast = false, ...pace }: Writing,
  ): Promise<number> {
    const key = checkpointKey(fleet, shard)
    const token = randomBytes(6).toString('hex')
    const { chunks, streamCreated, sequence } = next
    const sha256 = await this.#putAll(`${key}.${token}`, chunks, { isHurried: () => true, ...pace })
    const about = { version: `${MAJOR}.0`, token, chunks: chunks.length, sha256 }
    const revision = await this.#commit(key, { ...about, streamCreated, sequence, isLast }, before)
    await this.#sweep(key, token)
    return revision
  }

  /**
   * Resolves once whoever holds the shard has written its last checkpoint, or after a while: it may be dead. What follows from the last one
   * must not be judged from an older one.
   */
  async untilLetGo(fleet: Ref, shard: number, signal: AbortSignal): Promise<void> {
    const key = checkpointKey(fleet, shard)
    const isLetGo = async (): Promise<boolean> => {
      const entry = await this.#kv.get(key)
      return entry?.operation !== 'PUT' || manifestOf(entry.value)?.isLast !== false
    }
    const endMs = performance.now() + HANDOVER.longestMs
    for (let waitMs = HANDOVER.firstMs; !signal.aborted && !(await isLetGo()); waitMs *= 2) {
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) return
      await sleep(Math.min(waitMs, leftMs), undefined, { signal }).catch(() => undefined)
    }
  }

  /** Forgets everything about the shard. */
  async remove(fleet: Ref, shard: number): Promise<void> {
    const key = checkpointKey(fleet, shard)
    await this.#purge(`${key}.>`)
    await this.#purge(key)
  }

  async #commit(key: string, document: Manifest, before: number): Promise<number> {
    try {
      const body = JSON.stringify(document)
      return before === 0 ? await this.#kv.create(key, body) : await this.#kv.update(key, body, before)
    } catch (error) {
      // After any other fault nobody knows whether the manifest stands: its chunks stay.
      if (!isConflict(error)) throw error
      await this.#purge(`${key}.${document.token}.>`)
      throw new Overtaken('another replica has written a newer checkpoint')
    }
  }

  /** The revision under which the checkpoint is nobody's last one; undefined when another was written meanwhile. */
  async #claim(key: string, found: Manifest, revision: number): Promise<number | undefined> {
    if (!found.isLast) return revision
    try {
      return await this.#kv.update(key, JSON.stringify({ ...found, isLast: false }), revision)
    } catch (error) {
      if (isConflict(error)) return undefined
      throw error
    }
  }

  /** Returns the digest of all. */
  async #putAll(key: string, chunks: readonly Uint8Array[], { isHurried, signal }: Pace): Promise<string> {
    const hash = createHash('sha256')
    for (let next = 0; next < chunks.length; ) {
      const some = chunks.slice(next, next + (isHurried() ? AT_ONCE : 1))
      await Promise.all(some.map((chunk, i) => this.#kv.put(`${key}.${next + i}`, chunk)))
      for (const chunk of some) hash.update(chunk)
      next += some.length
      if (next < chunks.length && !isHurried()) await sleep(REST_MS)
      signal?.throwIfAborted()
    }
    return hash.digest('hex')
  }

  /** The chunks; undefined when one is gone or is not what was written. */
  async #chunks(key: string, { token, chunks: count, sha256 }: Manifest): Promise<Uint8Array[] | undefined> {
    const chunks: Uint8Array[] = []
    for (let n = 0; n < count; n += AT_ONCE) {
      const keys = Array.from({ length: Math.min(AT_ONCE, count - n) }, (_, i) => `${key}.${token}.${n + i}`)
      for (const entry of await Promise.all(keys.map((one) => this.#kv.get(one)))) {
        if (entry?.operation !== 'PUT') return undefined
        chunks.push(entry.value)
      }
    }
    return digestOf(chunks) === sha256 ? chunks : undefined
  }

  /** Removes all chunks but those of one token. */
  async #sweep(key: string, keep: string): Promise<void> {
    const chunks = await this.#keys(`${key}.>`)
    const tokens = new Set(chunks.map((chunk) => chunk.slice(key.length + 1).split('.')[0]))
    for (const token of tokens) if (token !== keep) await this.#purge(`${key}.${token}.>`)
  }

  async #keys(filter: string): Promise<string[]> {
    const prefix = `$KV.${this.#bucket}.`
    const { state } = await this.#jsm.streams.info(`KV_${this.#bucket}`, { subjects_filter: `${prefix}${filter}` })
    return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(prefix.length))
  }

  async #purge(keys: string): Promise<void> {
    await this.#jsm.streams.purge(`KV_${this.#bucket}`, { filter: `$KV.${this.#bucket}.${keys}` })
  }
}
