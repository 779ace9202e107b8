/**
 * What EMQX holds of one account: a user of the built-in authenticator and a record of rules of the same name. The record
 * is made before the user and goes after it, so a user of ours always has its mark. Pure.
 */

import { HASH_ITERATIONS, hashSecret, newSecret } from '../../registry/secret.ts'
import type { Account, Acl, NewAccount, SecretHash } from '../broker.ts'
import { badUsername, USERNAME } from '../username.ts'
import type { Ban, User, UserRecord, UserRow } from './api.ts'
import { aclFault, aclOfRules, isMarked, type Rule } from './rules.ts'

export type Held = { readonly user?: User | undefined; readonly rules?: readonly Rule[] | undefined }

/** Whether something under this name is not ours. */
export const isForeign = ({ user, rules }: Held, mark: string): boolean =>
  rules === undefined ? user !== undefined : !isMarked(rules, mark)

/** Whether the account can be used as it stands. One that a superuser's flag was given is not: EMQX asks no rule for it. */
export const isWhole = ({ user, rules }: Held): boolean => user?.is_superuser === false && rules !== undefined

/** Whether a ban is ours and keeps. */
export const isOurBan = ({ as, by, until }: Ban, mark: string): boolean =>
  as === 'clientid' && by === mark && until === 'infinity'

/** Why an account can't be written; undefined when it can. */
export const accountFault = ({
  username,
  acl,
}: {
  readonly username: string
  readonly acl: Acl
}): string | undefined => (USERNAME.test(username) ? aclFault(acl) : badUsername(username))

export type Listing = {
  readonly records: readonly UserRecord[]
  readonly users: readonly User[]
  readonly bans: readonly Ban[]
  readonly clientRules: readonly string[]
}

/**
 * Our accounts; what is not whole is broken. Rules of a client id come before those of its user: they show as an entry
 * that no wanted ACL holds.
 */
export const accountsOf = ({ records, users, bans, clientRules }: Listing, mark: string): Map<string, Account> => {
  const byName = new Map(users.map((user) => [user.user_id, user]))
  const disabled = new Set(bans.filter((ban) => isOurBan(ban, mark)).map(({ who }) => who))
  const ruled = new Set(clientRules)
  const ours = records.filter(({ rules }) => isMarked(rules, mark))
  return new Map(
    ours.map(({ username, rules }) => {
      const acl = aclOfRules(rules, mark)
      const subscribe = ruled.has(username) ? [...acl.subscribe, '!rules of the client id'] : acl.subscribe
      const account = { username, acl: { ...acl, subscribe }, disabled: disabled.has(username) }
      return [username, isWhole({ user: byName.get(username), rules }) ? account : { ...account, isBroken: true }]
    }),
  )
}

const HASH_BYTES = 64
const PRINTABLE = /^[\x20-\x7e]{1,128}$/

/** Why EMQX would check nobody's secret against this hash; undefined when it would. */
export const hashFault = ({ iterations, salt, hash }: SecretHash): string | undefined => {
  if (Buffer.from(hash, 'base64').length !== HASH_BYTES) return 'there is no hash of its secret'
  if (iterations !== HASH_ITERATIONS)
    return `its hash has ${iterations} iterations; the broker checks ${HASH_ITERATIONS}`
  return PRINTABLE.test(Buffer.from(salt, 'base64').toString('latin1')) ? undefined : 'the salt of its hash is not text'
}

/** A user as EMQX imports it: the hash in hexadecimal, the salt as text. */
export const rowOf = (username: string, { salt, hash }: SecretHash): UserRow => ({
  user_id: username,
  password_hash: Buffer.from(hash, 'base64').toString('hex'),
  salt: Buffer.from(salt, 'base64').toString('latin1'),
  is_superuser: false,
})

/** A hash that was given, or one of the plain secret: one path for both. Who has a certificate gets a secret that nobody knows. */
export const hashOf = (secret: NewAccount['secret']): SecretHash => {
  if ('hash' in secret) return secret.hash
  return hashSecret('plain' in secret ? secret.plain : newSecret())
}
