/**
 * Changes to accounts, some at a time: gather what the broker holds of them, decide the commands, send them as one batch.
 * Gathering again makes a change repeatable, so a connection that was lost meanwhile, and another administrator who was
 * quicker (the API and the operator both follow a device that is removed), are met by doing it once more.
 *
 * The broker stands still while it carries out a batch, so the number of accounts in one is fitted to a target time.
 */
import { z } from 'zod'
import { messageOf } from '../../process/logger.ts'
import { type Account, type AccountResult, ForeignAccount } from '../broker.ts'
import { badUsername, USERNAME } from '../username.ts'
import { accountOf, type ClientView, clientView, type Held, isForeign, roleView } from './account.ts'
import { type Command, ConnectionLost, type Control, type Reply } from './control.ts'

/** Commands for one account, or why there can be none. */
export type Plan = { readonly commands: readonly Command[] } | { readonly error: string }

type Named = { readonly username: string }
type Decide<Wanted> = (wanted: Wanted, held: Held) => Plan

type Attempt<Wanted> = { readonly results: AccountResult[]; readonly refused: readonly Wanted[] }

const clientData = z.object({ client: clientView })
const roleData = z.object({ role: roleView })
const clientsData = z.object({ clients: z.array(clientView) })
const rolesData = z.object({ roles: z.array(roleView) })

const BATCH_TARGET_MS = 100
const MAX_CHUNK = 64
const NOT_FOUND = /not found|does not exist/i

export class Accounts {
  readonly #control: Control
  readonly #mark: string
  #chunk = 8

  constructor(control: Control, mark: string) {
    this.#control = control
    this.#mark = mark
  }

  /** Ours, by user name; one batch, so that it is a state that was there at one moment. */
  async list(): Promise<Map<string, Account>> {
    const [clients, roles] = await this.#control.run([
      { command: 'listClients', verbose: true },
      { command: 'listRoles', verbose: true },
    ])
    const byName = new Map(rolesData.parse(clients && roles?.data).roles.map((role) => [role.rolename, role]))
    const ours = clientsData.parse(clients?.data).clients.filter(({ textname }) => textname === this.#mark)
    return new Map(ours.map((client) => [client.username, accountOf(client, byName.get(client.username))]))
  }

  /** Carries out what `decide` says for each account. Results are in the order given. */
  async change<Wanted extends Named>(wanted: readonly Wanted[], decide: Decide<Wanted>): Promise<AccountResult[]> {
    const results: AccountResult[] = []
    while (results.length < wanted.length) {
      const chunk = wanted.slice(results.length, results.length + this.#chunk)
      results.push(...(await this.#changeChunk(chunk, decide)))
    }
    return results
  }

  /** The same for one account of ours that must exist. */
  async changeOne(username: string, commandsFor: (client: ClientView) => Command[]): Promise<void> {
    const [result] = await this.change([{ username }], (_, { client }) =>
      client === undefined ? noAccount(username) : { commands: commandsFor(client) },
    )
    if (result?.error !== undefined) throw new Error(result.error)
  }

  /** What the broker refuses is decided anew, once: what it was decided on may have changed under it. */
  async #changeChunk<Wanted extends Named>(chunk: readonly Wanted[], decide: Decide<Wanted>): Promise<AccountResult[]> {
    const { results, refused } = await this.#twice(() => this.#attempt(chunk, decide))
    if (refused.length === 0) return results
    // Where even that can't be done, the refusal is told, and what went well beside it.
    const again = await this.#attempt(refused, decide).catch(() => undefined)
    const anew = new Map(again?.results.map((result) => [result.username, result]))
    return results.map((result) => anew.get(result.username) ?? result)
  }

  async #attempt<Wanted extends Named>(chunk: readonly Wanted[], decide: Decide<Wanted>): Promise<Attempt<Wanted>> {
    const held = await this.#gather(chunk.map(({ username }) => username))
    const plans = chunk.map((wanted, i) => this.#plan(wanted, held[i] ?? {}, decide))
    const replies = await this.#write(plans.flatMap((plan) => ('commands' in plan ? plan.commands : [])))
    const refused: Wanted[] = []
    const results = chunk.map((wanted, i) => {
      const { username } = wanted
      const plan = plans[i] as Plan
      if ('error' in plan) return { username, error: plan.error }
      const error = replies.splice(0, plan.commands.length).find((reply) => reply.error !== undefined)
      if (error === undefined) return { username }
      refused.push(wanted)
      return { username, error: `broker refused ${error.command}: ${error.error}` }
    })
    return { results, refused }
  }

  #plan<Wanted extends Named>(wanted: Wanted, held: Held, decide: Decide<Wanted>): Plan {
    const { username } = wanted
    if (!USERNAME.test(username)) return { error: badUsername(username) }
    if (isForeign(held, this.#mark)) return { error: new ForeignAccount(username).message }
    return decide(wanted, held)
  }

  async #gather(usernames: readonly string[]): Promise<Held[]> {
    const replies = await this.#control.run(
      usernames.flatMap((username) => [
        { command: 'getClient', username },
        { command: 'getRole', rolename: username },
      ]),
    )
    return usernames.map((_, i) => ({
      client: found(replies[2 * i], clientData)?.client,
      role: found(replies[2 * i + 1], roleData)?.role,
    }))
  }

  async #write(commands: readonly Command[]): Promise<Reply[]> {
    if (commands.length === 0) return []
    const started = performance.now()
    const replies = await this.#control.run(commands)
    const took = performance.now() - started
    if (took > BATCH_TARGET_MS) this.#chunk = Math.max(1, this.#chunk >> 1)
    else if (took < BATCH_TARGET_MS / 4) this.#chunk = Math.min(MAX_CHUNK, this.#chunk * 2)
    return replies
  }

  async #twice<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
      return attempt()
    }
  }
}

export const noAccount = (username: string): Plan => ({ error: `the broker has no account ${username}` })

const found = <T>(reply: Reply | undefined, data: z.ZodType<T>): T | undefined => {
  if (reply?.error === undefined) return data.parse(reply?.data)
  if (NOT_FOUND.test(reply.error)) return undefined
  throw new Error(`broker refused ${reply.command}: ${messageOf(reply.error)}`)
}
