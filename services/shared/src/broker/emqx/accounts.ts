/**
 * Changes to accounts, some hundreds at a time. Each works on a chunk in steps: look at what is there, then write, every
 * step for all accounts that are still in order; an account that fails a step keeps its error and goes no further.
 *
 * The order of the steps leaves no moment in which somebody may do more than before and after. Making: ban if it is to be
 * disabled, rules, then the user. Removing: rights, sessions with all that they subscribed, user, sessions once more, and
 * last the record with the mark, so that what a crash leaves has no rights and is still ours to remove. Taking rights away is written twice, first with a note, so that a crash before
 * live subscriptions were ended shows as drift.
 */
import { type Account, type AccountResult, type Acl, ForeignAccount, type NewAccount } from '../broker.ts'
import { accountFault, accountsOf, type Held, hashFault, hashOf, isForeign, isWhole, rowOf } from './account.ts'
import * as api from './api.ts'
import { Bans } from './bans.ts'
import { bisect, chunksOf, chunksOfBytes, mapSome } from './bulk.ts'
import { Chunk } from './chunk.ts'
import { type Granted, isRefusal, Records } from './records.ts'
import type { Rest } from './rest.ts'
import { markOf, rulesOf } from './rules.ts'
import { endSessions, forgetRights, isDevice } from './sessions.ts'

const CHUNK = 500
const AT_ONCE = 8
const NO_ACL: Acl = { publish: [], subscribe: [] }

type Work<T> = (chunk: Chunk, accounts: readonly T[]) => Promise<void>

const namesOf = (accounts: readonly { readonly username: string }[]): string[] =>
  accounts.map(({ username }) => username)

export class Accounts {
  readonly #rest: Rest
  readonly #mark: string
  readonly #bans: Bans
  readonly #records: Records

  constructor(rest: Rest, installation: string) {
    this.#rest = rest
    this.#mark = markOf(installation)
    this.#bans = new Bans(rest, this.#mark)
    this.#records = new Records(rest, this.#mark)
  }

  /** Ours, by user name. */
  async list(): Promise<Map<string, Account>> {
    const rest = this.#rest
    const [records, users, bans, clientRules] = await Promise.all([
      api.listRecords(rest),
      api.listUsers(rest),
      api.listBans(rest),
      api.listClientRules(rest),
    ])
    return accountsOf({ records, users, bans, clientRules }, this.#mark)
  }

  /** Makes accounts or replaces their secret, ACL and state. A device's session is ended: an old secret opened it, or none that we know of. */
  put(accounts: readonly NewAccount[]): Promise<AccountResult[]> {
    return this.#inChunks(accounts, async (chunk, some) => {
      for (const { username, secret } of some) {
        const fault = 'hash' in secret ? hashFault(secret.hash) : undefined
        if (fault !== undefined)
          chunk.fail(username, `account ${username} can't be made: ${fault}; give it a new secret`)
      }
      const banned = await this.#bans.all()
      const [shut, open] = [some.filter(({ disabled }) => disabled), some.filter(({ disabled }) => !disabled)]
      await chunk.each(shut, async ({ username }) => banned.has(username) || this.#bans.add(username))
      await this.#records.write(chunk, some)
      await this.#importUsers(chunk, chunk.good(some))
      await endSessions(this.#rest, namesOf(chunk.good(some)).filter(isDevice))
      await chunk.each(open, async ({ username }) => banned.has(username) && this.#bans.remove(username))
    })
  }

  setAcl(accounts: readonly Granted[]): Promise<AccountResult[]> {
    return this.#inChunks(accounts, async (chunk, some) => {
      for (const { username } of some) if (!isWhole(chunk.held(username))) chunk.fail(username, noAccount(username))
      await this.#records.write(chunk, some)
    })
  }

  /** Absent ones count as removed. */
  remove(usernames: readonly string[]): Promise<AccountResult[]> {
    const all = usernames.map((username) => ({ username, acl: NO_ACL }))
    return this.#inChunks(all, async (chunk, some) => {
      const banned = await this.#bans.all()
      await this.#records.dropClientRules(chunk, some)
      const there = some.filter(({ username }) => chunk.held(username).rules !== undefined)
      await chunk.each(there, ({ username }) => api.putRecord(this.#rest, username, rulesOf(NO_ACL, this.#mark)))
      // What a node does not forget goes with the sessions.
      await forgetRights(this.#rest)
      await endSessions(this.#rest, namesOf(chunk.good(some)))
      await chunk.each(there, ({ username }) => api.deleteUser(this.#rest, username))
      await endSessions(this.#rest, namesOf(chunk.good(some)))
      await chunk.each(some, async ({ username }) => {
        if (banned.has(username)) await this.#bans.remove(username)
        await api.deleteRecord(this.#rest, username)
      })
    })
  }

  /** @throws ForeignAccount, or an Error for an account that is not there or a service of our own. */
  async setDisabled(username: string, disabled: boolean): Promise<void> {
    await this.#mustBeOurs(username)
    if (!disabled) return this.#bans.remove(username)
    mayBeEnded(username)
    await this.#bans.add(username)
    await endSessions(this.#rest, [username])
  }

  /** @throws like setDisabled. */
  async kick(username: string): Promise<void> {
    await this.#mustBeOurs(username)
    mayBeEnded(username)
    await endSessions(this.#rest, [username])
  }

  async #mustBeOurs(username: string): Promise<void> {
    const fault = accountFault({ username, acl: NO_ACL })
    if (fault !== undefined) throw new Error(fault)
    const held = await this.#gather(username)
    if (isForeign(held, this.#mark)) throw new ForeignAccount(username)
    if (held.rules === undefined) throw new Error(noAccount(username))
  }

  async #inChunks<T extends Granted>(accounts: readonly T[], work: Work<T>): Promise<AccountResult[]> {
    const results: AccountResult[] = []
    for (const some of chunksOf(accounts, CHUNK)) {
      const chunk = await this.#look(some)
      await work(chunk, some)
      results.push(...some.map((account) => chunk.result(account)))
    }
    return results
  }

  /** What is there of the accounts; those that can't be written, or are not ours, have failed already. */
  async #look(accounts: readonly Granted[]): Promise<Chunk> {
    const faults = new Map(accounts.map((account) => [account.username, accountFault(account)]))
    const sound = accounts.filter(({ username }) => faults.get(username) === undefined)
    const gathered = await mapSome(
      sound,
      AT_ONCE,
      async (one) => [one.username, await this.#gather(one.username)] as const,
    )
    const held = new Map(gathered)
    const chunk = new Chunk(held)
    for (const [username, fault] of faults) if (fault !== undefined) chunk.fail(username, fault)
    for (const [username, one] of held)
      if (isForeign(one, this.#mark)) chunk.fail(username, new ForeignAccount(username))
    return chunk
  }

  async #gather(username: string): Promise<Held> {
    const [user, record] = await Promise.all([api.getUser(this.#rest, username), api.getRecord(this.#rest, username)])
    return { user, rules: record?.rules }
  }

  async #importUsers(chunk: Chunk, accounts: readonly NewAccount[]): Promise<void> {
    const rows = accounts.map(({ username, secret }) => rowOf(username, hashOf(secret)))
    for (const some of chunksOfBytes(rows, api.MAX_BODY_BYTES)) {
      const refused = await bisect(some, (part) => api.importUsers(this.#rest, part), isRefusal)
      for (const [{ user_id }, error] of refused) chunk.fail(user_id, error)
    }
  }
}

const noAccount = (username: string): string => `the broker has no account ${username}`

/** @throws Error for a session that EMQX would lose the queue of. */
const mayBeEnded = (username: string): void => {
  if (!isDevice(username))
    throw new Error(`${username} is a session of our own, which is never ended: its queue would be lost`)
}
