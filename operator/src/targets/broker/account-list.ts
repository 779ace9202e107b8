/** Our accounts at the broker, read at most every two seconds however many fleets ask; a write of ours makes the next reading fresh. */
import type { Account, AccountResult, Broker } from '@fleetloom/shared/broker/broker'

export type AccountList = {
  get(): Promise<ReadonlyMap<string, Account>>
  /** Nothing that was read before counts any more. */
  forget(): void
  /** Runs a write, after which nothing read before it counts, and gives what became of each account. */
  outcomes(change: (broker: Broker) => Promise<readonly AccountResult[]>): Promise<readonly AccountResult[]>
  /**
   * The same for a write of which all is to succeed. Where `written` says all that it changed, what was read stays good.
   * @throws naming the first account that failed.
   */
  write(change: (broker: Broker) => Promise<readonly AccountResult[]>, written?: readonly Account[]): Promise<void>
}

/** What was read is not older than this. */
export const FRESH_MS = 2_000

const refuseFailed = (results: readonly AccountResult[]): void => {
  const failed = results.find(({ error }) => error !== undefined)
  if (failed) throw new Error(`broker account ${failed.username}: ${failed.error}`)
}

export const accountList = (broker: Broker, now: () => number): AccountList => {
  let held: { readonly accounts: Promise<Map<string, Account>>; readonly atMs: number } | undefined
  const forget = (): void => {
    held = undefined
  }
  const outcomes: AccountList['outcomes'] = async (change) => change(broker).finally(forget)
  return {
    get: () => {
      if (held && now() - held.atMs < FRESH_MS) return held.accounts
      const mine = { accounts: broker.list(), atMs: now() }
      held = mine
      mine.accounts.catch(() => {
        if (held === mine) held = undefined
      })
      return mine.accounts
    },
    forget,
    outcomes,
    write: async (change, written) => {
      if (!written) return refuseFailed(await outcomes(change))
      try {
        refuseFailed(await change(broker))
      } catch (error) {
        forget()
        throw error
      }
      // A reading that was under way may have missed it.
      const accounts = await held?.accounts.catch(() => undefined)
      for (const account of written) accounts?.set(account.username, account)
    },
  }
}
