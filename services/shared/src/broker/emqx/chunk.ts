/** The accounts of one bulk write: what the broker held of each, and what went wrong with it. */
import { messageOf } from '../../process/logger.ts'
import { type AccountResult, BrokerUnavailable } from '../broker.ts'
import type { Held } from './account.ts'
import { mapSome } from './bulk.ts'

type Named = { readonly username: string }

const AT_ONCE = 8

export class Chunk {
  readonly #held: ReadonlyMap<string, Held>
  readonly #errors = new Map<string, string>()

  constructor(held: ReadonlyMap<string, Held>) {
    this.#held = held
  }

  held(username: string): Held {
    return this.#held.get(username) ?? {}
  }

  /** The first error of an account stays. */
  fail(username: string, error: unknown): void {
    if (!this.#errors.has(username)) this.#errors.set(username, typeof error === 'string' ? error : messageOf(error))
  }

  /** Those that are still in order. */
  good<T extends Named>(accounts: readonly T[]): T[] {
    return accounts.filter(({ username }) => !this.#errors.has(username))
  }

  /** A step for each account that is still in order. Only a broker that is away ends it for all. */
  async each<T extends Named>(accounts: readonly T[], step: (account: T) => Promise<unknown>): Promise<void> {
    await mapSome(this.good(accounts), AT_ONCE, async (account) => {
      try {
        await step(account)
      } catch (error) {
        if (error instanceof BrokerUnavailable) throw error
        this.fail(account.username, error)
      }
    })
  }

  result({ username }: Named): AccountResult {
    const error = this.#errors.get(username)
    return error === undefined ? { username } : { username, error }
  }
}
