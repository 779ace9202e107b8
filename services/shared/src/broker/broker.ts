/**
 * The one adapter interface to an MQTT broker. An account is an MQTT user whose client id equals its name (the listener
 * enforces it) and whose ACL is exactly what is listed; everything else is denied. Only accounts that bear our
 * installation's mark are listed, changed or removed; touching a foreign one throws `ForeignAccount`.
 */

/** MQTT topic filters with nothing left to fill in. */
export type Acl = { readonly publish: readonly string[]; readonly subscribe: readonly string[] }

/** Filters that one account may hold; brokers are made to take as many. */
export const MOST_FILTERS = 4_000

export type Account = {
  readonly username: string
  readonly acl: Acl
  readonly disabled: boolean
  /** Set in a listing where the account can't be used as it stands, as after a crash half-way: it is to be made anew or removed. */
  readonly isBroken?: true
}

/** PBKDF2-HMAC-SHA512 of a secret, in the one form that both brokers can take; salt and hash are base64. */
export type SecretHash = { readonly iterations: number; readonly salt: string; readonly hash: string }

/** What the account logs in with. With `certificate` the listener has checked it, and there is no password that would be let in. */
export type Credential = { readonly plain: string } | { readonly hash: SecretHash } | { readonly certificate: true }

export type NewAccount = Account & { readonly secret: Credential }

/** Outcome of one account in a bulk call, in the order given. */
export type AccountResult = { readonly username: string; readonly error?: string }

/** What the broker holds for sessions that have not taken it yet, and what it had to drop. Counters since its start. */
export type QueueCounters = {
  readonly queuedMessages: number
  /** Left out by a broker that does not tell. */
  readonly queuedBytes?: number
  readonly droppedMessages: number
}

export type Broker = AsyncDisposable & {
  readonly kind: 'mosquitto' | 'emqx'
  /** Whether a lost account can be restored from its hash. Where not, the account's device needs a new secret. */
  readonly acceptsHashes: boolean
  /** Resolves when the broker answers; rejects with the reason. */
  ping(): Promise<void>
  /** Closes the broker's fail-open defaults. Returns what it had to change, as words for an event. */
  secureDefaults(): Promise<string[]>
  /** Our accounts by user name. */
  list(): Promise<Map<string, Account>>
  /** Makes accounts, or gives existing ones of ours this credential and ACL, which ends their sessions. */
  put(accounts: readonly NewAccount[]): Promise<AccountResult[]>
  /** Sets the ACL of existing accounts. Live sessions lose what is no longer allowed. */
  setAcl(accounts: readonly { readonly username: string; readonly acl: Acl }[]): Promise<AccountResult[]>
  /** Disabling ends the live session at once and refuses new ones. */
  setDisabled(username: string, disabled: boolean): Promise<void>
  /** Ends the live session if there is one. Never called for an ingest session: its queue would be lost. */
  kick(username: string): Promise<void>
  /** Removes accounts and ends their sessions; absent ones count as removed. */
  remove(usernames: readonly string[]): Promise<AccountResult[]>
  /** Latest counters; undefined when the broker has not told them yet. */
  counters(): QueueCounters | undefined
}

/** The broker can't be reached, does not answer, or is not ready. Trying again may help. */
export class BrokerUnavailable extends Error {
  override name = 'BrokerUnavailable'
}

export class ForeignAccount extends Error {
  override name = 'ForeignAccount'
  constructor(username: string) {
    super(`broker account ${username} exists and was not made by this installation; remove it or rename the device`)
  }
}
