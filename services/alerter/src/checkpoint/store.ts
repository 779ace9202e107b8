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
import { checkpointKey, type Ref } from '@fleetloom/crds/names'
import type { Nats } from '@fleetloom/shared/nats'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'

/** Longest chunk, bytes. */
export const CHUNK_BYTES = 512 * 1024

const WRITES_AT_ONCE = 8
const READ_TRIES = 5
const MAJOR = '1'

const manifest = z.object({
  version: z.string(),
  token: z.string(),
  chunks: z.number().int(),
  sha256: z.string(),
  /** When the stream was made: sequences of another stream mean nothing. */
  streamCreated: z.string(),
  /** Everything up to this sequence is in the chunks. */
  sequence: z.number().int(),
})

type Manifest = z.infer<typeof manifest>

/** Where in which stream a checkpoint stands. */
export type Position = Pick<Manifest, 'streamCreated' | 'sequence'>

export type Checkpoint = Position & { readonly chunks: readonly Uint8Array[]; readonly revision: number }

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
  const parsed = manifest.safeParse(JSON.parse(new TextDecoder().decode(value)))
  return parsed.success && parsed.data.version.split('.')[0] === MAJOR ? parsed.data : undefined
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

  /** The newest checkpoint; undefined when there is none that can be read. */
  async read(fleet: Ref, shard: number): Promise<Checkpoint | undefined> {
    const key = checkpointKey(fleet, shard)
    for (let tries = 0; tries < READ_TRIES; tries++) {
      const entry = await this.#kv.get(key)
      const found = entry?.operation === 'PUT' ? manifestOf(entry.value) : undefined
      if (!entry || !found) return undefined
      const chunks = await this.#chunks(key, found)
      if (chunks) return { ...found, chunks, revision: entry.revision }
    }
    return undefined
  }

  /**
   * Writes a checkpoint over the one of this revision (0: the first); returns its own revision.
   * @throws Overtaken
   */
  async write(fleet: Ref, shard: number, next: Omit<Checkpoint, 'revision'>, before: number): Promise<number> {
    const key = checkpointKey(fleet, shard)
    const token = randomBytes(6).toString('hex')
    const { chunks, streamCreated, sequence } = next
    await this.#putAll(key, token, chunks)
    const document: Manifest = {
      version: `${MAJOR}.0`,
      token,
      chunks: chunks.length,
      sha256: digestOf(chunks),
      streamCreated,
      sequence,
    }
    const revision = await this.#commit(key, document, before)
    await this.#sweep(key, token)
    return revision
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
      await this.#purge(`${key}.${document.token}.>`)
      if (isConflict(error)) throw new Overtaken('another replica has written a newer checkpoint')
      throw error
    }
  }

  async #putAll(key: string, token: string, chunks: readonly Uint8Array[]): Promise<void> {
    let next = 0
    const worker = async () => {
      for (let n = next++; n < chunks.length; n = next++) {
        await this.#kv.put(`${key}.${token}.${n}`, chunks[n] as Uint8Array)
      }
    }
    await Promise.all(Array.from({ length: WRITES_AT_ONCE }, worker))
  }

  /** The chunks; undefined when one is gone or is not what was written. */
  async #chunks(key: string, { token, chunks: count, sha256 }: Manifest): Promise<Uint8Array[] | undefined> {
    const chunks: Uint8Array[] = []
    for (let n = 0; n < count; n += WRITES_AT_ONCE) {
      const keys = Array.from({ length: Math.min(WRITES_AT_ONCE, count - n) }, (_, i) => `${key}.${token}.${n + i}`)
      for (const entry of await Promise.all(keys.map((one) => this.#kv.get(one)))) {
        if (entry?.operation !== 'PUT') return undefined
        chunks.push(entry.value)
      }
    }
    return digestOf(chunks) === sha256 ? chunks : undefined
  }

  /** Removes all chunks but those of one token. */
  async #sweep(key: string, keep: string): Promise<void> {
    const prefix = `$KV.${this.#bucket}.${key}.`
    const { state } = await this.#jsm.streams.info(`KV_${this.#bucket}`, { subjects_filter: `${prefix}>` })
    const tokens = new Set(
      Object.keys(state.subjects ?? {}).map((subject) => subject.slice(prefix.length).split('.')[0]),
    )
    for (const token of tokens) if (token !== keep) await this.#purge(`${key}.${token}.>`)
  }

  async #purge(keys: string): Promise<void> {
    await this.#jsm.streams.purge(`KV_${this.#bucket}`, { filter: `$KV.${this.#bucket}.${keys}` })
  }
}
