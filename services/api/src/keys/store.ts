/** Keys in their KV bucket, by id. */
import { hashSecret, newSecret, verifySecret } from '@fleetloom/shared/registry/secret'
import type { KV } from '@nats-io/kv'
import { type ApiKey, apiKey, isAdmin, newKeyId, parseToken, type Token } from './key.ts'

export type KeyScope = Pick<ApiKey, 'name' | 'namespaces' | 'verbs'>

/** The only way in would be gone. */
export class LastAdminKey extends Error {
  override name = 'LastAdminKey'
}

/** What the routes need of a store. */
export type Keys = Pick<KeyStore, 'authenticate' | 'create' | 'list' | 'remove' | 'isUnused'>

/** What an unknown id is compared with, so that it takes as long as a wrong secret. */
const NOBODY = hashSecret(newSecret())

export class KeyStore {
  readonly #kv: KV
  readonly #now: () => Date

  constructor(kv: KV, now: () => Date = () => new Date()) {
    this.#kv = kv
    this.#now = now
  }

  /** The key behind a bearer token; undefined alike for a wrong form, an unknown id and a wrong secret. */
  async authenticate(text: string): Promise<ApiKey | undefined> {
    const token = parseToken(text)
    if (token === undefined) return undefined
    const key = await this.#read(token.id)
    const right = verifySecret(token.secret, key?.secret ?? NOBODY)
    return right ? key : undefined
  }

  /** Makes a key with this id and secret; undefined when the id is taken. */
  async create(scope: KeyScope, token: Token = { id: newKeyId(), secret: newSecret() }): Promise<Token | undefined> {
    const createdAt = this.#now().toISOString()
    const { name, namespaces, verbs } = scope
    const key = { version: '1.0', id: token.id, name, namespaces, verbs, secret: hashSecret(token.secret), createdAt }
    try {
      await this.#kv.create(token.id, JSON.stringify(key))
      return token
    } catch (error) {
      if ((await this.#kv.get(token.id)) === null) throw error
      return undefined
    }
  }

  async list(): Promise<ApiKey[]> {
    const ids: string[] = []
    for await (const id of await this.#kv.keys()) ids.push(id)
    const keys = await Promise.all(ids.sort().map((id) => this.#read(id)))
    return keys.filter((key) => key !== undefined)
  }

  /**
   * False when there is no such key. It looks again after it removed an admin key, as another replica may have removed the other.
   * @throws LastAdminKey when no admin key would be left.
   */
  async remove(id: string): Promise<boolean> {
    const key = await this.#read(id)
    if (key === undefined) return false
    if (!isAdmin(key)) return this.#delete(id)
    await this.#refuseLast(id)
    await this.#delete(id)
    try {
      await this.#refuseLast(id)
    } catch (error) {
      await this.#kv.put(id, JSON.stringify(key))
      throw error
    }
    return true
  }

  async #refuseLast(id: string): Promise<void> {
    const others = (await this.list()).filter((other) => other.id !== id)
    if (!others.some(isAdmin)) throw new LastAdminKey(`${id} is the last admin key`)
  }

  async #delete(id: string): Promise<true> {
    await this.#kv.delete(id)
    return true
  }

  /** Whether there has never been a key. */
  async isUnused(): Promise<boolean> {
    const { streamInfo } = await this.#kv.status()
    return streamInfo.state.last_seq === 0
  }

  async #read(id: string): Promise<ApiKey | undefined> {
    const entry = await this.#kv.get(id)
    return entry?.operation === 'PUT' ? apiKey.safeParse(entry.json()).data : undefined
  }
}
