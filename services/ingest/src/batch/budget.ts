/**
 * Bound of the memory that unacknowledged bytes may take in this process, shared by all sessions. A session may always hold
 * its fair floor, so one whose stream is stalled can't starve another; beyond it, it competes for what is left.
 */
export class Budget {
  readonly #total: number
  readonly #accounts = new Set<Account>()
  #used = 0

  constructor(total: number) {
    this.#total = total
  }

  get used(): number {
    return this.#used
  }

  open(): Account {
    const account = new Account(this)
    this.#accounts.add(account)
    return account
  }

  close(account: Account): void {
    this.#used -= account.used
    account.used = 0
    this.#accounts.delete(account)
  }

  change(account: Account, bytes: number): void {
    if (!this.#accounts.has(account)) return
    account.used += bytes
    this.#used += bytes
  }

  /** Half of the bound is for the floors, the other half for whoever needs it. */
  mayTake(account: Account): boolean {
    return account.used < this.#total / 2 / this.#accounts.size || this.#used < this.#total
  }
}

/** What one session holds. */
export class Account {
  used = 0
  readonly #budget: Budget

  constructor(budget: Budget) {
    this.#budget = budget
  }

  add(bytes: number): void {
    this.#budget.change(this, bytes)
  }

  remove(bytes: number): void {
    this.#budget.change(this, -bytes)
  }

  get mayTake(): boolean {
    return this.#budget.mayTake(this)
  }
}
