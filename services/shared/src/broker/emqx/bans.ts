/**
 * A disabled account is a ban on its client id, which is its user name: it ends the live session at once and refuses the
 * next. A ban on the user name would let live sessions go on. Ours last for ever and name the installation. EMQX keeps one
 * for each client id: one that ends by itself, as its flapping detector makes, gives way to ours, since a device can bring
 * it upon itself and would be let in again after it; one that somebody made for ever is never touched.
 */
import { isOurBan } from './account.ts'
import { addBan, type Ban, bansOf, deleteBan, listBans } from './api.ts'
import { BrokerRefused, type Rest } from './rest.ts'

/** The first ban may be somebody's; one that comes to be between taking that away and adding ours is rare. */
const ADD_TRIES = 3

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

  /** @throws Error where somebody else's ban for ever stands in the way; it keeps the client out. */
  async add(clientid: string): Promise<void> {
    for (let tries = ADD_TRIES; ; tries--) {
      const other = await this.#addOr(clientid)
      if (other === undefined) return
      if (other.until === 'infinity' || tries <= 1)
        throw new Error(
          `client id ${clientid} bears a ban by ${other.by} until ${other.until}; remove that one, so that ours can take its place`,
        )
      await deleteBan(this.#rest, clientid)
    }
  }

  /** Gives the ban of somebody else that stands in the way. */
  async #addOr(clientid: string): Promise<Ban | undefined> {
    try {
      await addBan(this.#rest, clientid, this.#mark)
      return undefined
    } catch (error) {
      if (!(error instanceof BrokerRefused && error.reason.startsWith('ALREADY_EXISTS'))) throw error
      const bans = (await bansOf(this.#rest, clientid)).filter(({ as, who }) => as === 'clientid' && who === clientid)
      if (this.#ours(bans).has(clientid)) return undefined
      if (bans[0] !== undefined) return bans[0]
      // It was lifted just now.
      await addBan(this.#rest, clientid, this.#mark)
      return undefined
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
