/**
 * A disabled account is a ban on its client id, which is its user name: it ends the live session at once and refuses the
 * next. A ban on the user name would let live sessions go on. Ours last for ever and name the installation; others' are
 * never touched.
 */
import { isOurBan } from './account.ts'
import { addBan, type Ban, bansOf, deleteBan, listBans } from './api.ts'
import { BrokerRefused, type Rest } from './rest.ts'

export class Bans {
  readonly #rest: Rest
  readonly #mark: string

  constructor(rest: Rest, mark: string) {
    this.#rest = rest
    this.#mark = mark
  }

  /** Client ids that bear a ban of ours. */
  async all(): Promise<ReadonlySet<string>> {
    return this.#ours(await listBans(this.#rest))
  }

  /** @throws Error where somebody else's ban stands in the way; it keeps the client out while it lasts. */
  async add(clientid: string): Promise<void> {
    try {
      await addBan(this.#rest, clientid, this.#mark)
    } catch (error) {
      if (!(error instanceof BrokerRefused && error.reason.startsWith('ALREADY_EXISTS'))) throw error
      const bans = await bansOf(this.#rest, clientid)
      if (this.#ours(bans).has(clientid)) return
      const [other] = bans
      throw new Error(
        `client id ${clientid} bears a ban by ${other?.by} until ${other?.until}; remove that one, so that ours can take its place`,
      )
    }
  }

  /** Takes away a ban of ours, if there is one. */
  async remove(clientid: string): Promise<void> {
    if (this.#ours(await bansOf(this.#rest, clientid)).has(clientid)) await deleteBan(this.#rest, clientid)
  }

  #ours(bans: readonly Ban[]): ReadonlySet<string> {
    return new Set(bans.filter((ban) => isOurBan(ban, this.#mark)).map(({ who }) => who))
  }
}
