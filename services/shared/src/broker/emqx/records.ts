/** Writing the rules of accounts, and holding live sessions to them where rights go. */
import { type Acl, ForeignAccount } from '../broker.ts'
import { type Held, isForeign } from './account.ts'
import { addRecords, deleteClientRules, getRecord, listClientRules, MAX_BODY_BYTES, putRecord } from './api.ts'
import { bisect, chunksOfBytes } from './bulk.ts'
import type { Chunk } from './chunk.ts'
import { BrokerRefused, type Rest } from './rest.ts'
import { aclOfRules, isRevoking, rulesOf, sameRules, takesAway } from './rules.ts'
import { trimSessions } from './sessions.ts'

export type Granted = { readonly username: string; readonly acl: Acl }

export const isRefusal = (error: unknown): boolean => error instanceof BrokerRefused

export class Records {
  readonly #rest: Rest
  readonly #mark: string

  constructor(rest: Rest, mark: string) {
    this.#rest = rest
    this.#mark = mark
  }

  /** Brings the records of the chunk's accounts to the ACLs that are wanted. */
  async write(chunk: Chunk, accounts: readonly Granted[]): Promise<void> {
    const stray = await this.dropClientRules(chunk, accounts)
    const good = chunk.good(accounts)
    const isThere = ({ username }: Granted) => chunk.held(username).rules !== undefined
    await this.#add(
      chunk,
      good.filter((account) => !isThere(account)),
    )
    const present = good.filter(isThere)
    const shrinking = new Set(
      present.filter((one) => stray.has(one.username) || this.#shrinks(one, chunk.held(one.username))),
    )
    await chunk.each(present, (one) => this.#replace(one, chunk.held(one.username), shrinking.has(one)))
    await this.#finish(chunk, chunk.good([...shrinking]))
  }

  /** Takes away rules of client ids that are these accounts' names: they would come before the user's. Gives whose there were. */
  async dropClientRules(chunk: Chunk, accounts: readonly Granted[]): Promise<ReadonlySet<string>> {
    if (chunk.good(accounts).length === 0) return new Set()
    const ruled = new Set(await listClientRules(this.#rest))
    const stray = accounts.filter(({ username }) => ruled.has(username))
    await chunk.each(stray, ({ username }) => deleteClientRules(this.#rest, username))
    return new Set(stray.map(({ username }) => username))
  }

  #shrinks({ acl }: Granted, { rules = [] }: Held): boolean {
    return isRevoking(rules, this.#mark) || takesAway(aclOfRules(rules, this.#mark), acl)
  }

  async #replace({ username, acl }: Granted, { rules = [] }: Held, shrinks: boolean): Promise<void> {
    const wanted = rulesOf(acl, this.#mark, shrinks)
    if (!sameRules(rules, wanted)) await putRecord(this.#rest, username, wanted)
  }

  /** Ends what live sessions may not have any more, then says in the record that this is done. */
  async #finish(chunk: Chunk, shrunk: readonly Granted[]): Promise<void> {
    const failed = await trimSessions(this.#rest, new Map(shrunk.map(({ username, acl }) => [username, acl])))
    for (const [username, error] of failed) chunk.fail(username, error)
    await chunk.each(shrunk, ({ username, acl }) => putRecord(this.#rest, username, rulesOf(acl, this.#mark)))
  }

  /** Makes records in bulk. One that came to be meanwhile is looked at anew: it may be another replica's, or foreign. */
  async #add(chunk: Chunk, accounts: readonly Granted[]): Promise<void> {
    const rows = accounts.map(({ username, acl }) => ({ username, rules: rulesOf(acl, this.#mark) }))
    for (const some of chunksOfBytes(rows, MAX_BODY_BYTES)) {
      const refused = await bisect(some, (part) => addRecords(this.#rest, part), isRefusal)
      const alone = [...refused].map(([row, error]) => ({ ...row, error }))
      await chunk.each(alone, async ({ username, rules, error }) => {
        const held = await getRecord(this.#rest, username)
        if (held === undefined) throw error
        if (isForeign({ rules: held.rules }, this.#mark)) throw new ForeignAccount(username)
        await putRecord(this.#rest, username, rules)
      })
    }
  }
}
