/** What to change at the broker, from the accounts that are wanted and those that are there. Pure. */
import type { Account, Acl } from '@fleetloom/shared/broker/broker'
import type { Change } from '../../loop/converge.ts'

export type AccountChange = Change & {
  readonly username: string
  readonly action: 'create' | 'set-acl' | 'disable' | 'enable'
  readonly acl: Acl
}

export const sortedAcl = ({ publish, subscribe }: Acl): Acl => ({
  publish: [...new Set(publish)].sort(),
  subscribe: [...new Set(subscribe)].sort(),
})

const differences = (what: string, want: readonly string[], have: readonly string[]): string[] => [
  ...want.filter((filter) => !have.includes(filter)).map((filter) => `${what} ${filter} is missing`),
  ...have.filter((filter) => !want.includes(filter)).map((filter) => `${what} ${filter} is too much`),
]

/** How an ACL differs from what is wanted; empty when it does not. */
export const aclDifferences = (want: Acl, have: Acl): string[] => [
  ...differences('publish', want.publish, have.publish),
  ...differences('subscribe', want.subscribe, have.subscribe),
]

const changesOf = (want: Account, have: Account): AccountChange[] => {
  const acl = sortedAcl(want.acl)
  const base = { reason: 'Updated', username: want.username, acl } as const
  const changes: AccountChange[] = []
  const diff = aclDifferences(acl, sortedAcl(have.acl))
  if (diff.length > 0) changes.push({ ...base, action: 'set-acl', message: `${want.username}: ${diff.join(', ')}` })
  if (want.disabled !== have.disabled) {
    const action = want.disabled ? 'disable' : 'enable'
    changes.push({ ...base, action, message: `${want.username}: was ${have.disabled ? 'disabled' : 'enabled'}` })
  }
  return changes
}

/** Whether there is an account that its device could log in with. */
export const isThere = (held: Account | undefined): held is Account => held !== undefined && !held.isBroken

/** Changes for accounts that are wanted. An absent or broken one becomes a `create`, which the caller makes if it knows the secret. */
export const planAccounts = (
  wanted: readonly Account[],
  have: ReadonlyMap<string, Account>,
): readonly AccountChange[] =>
  wanted.flatMap((want): AccountChange[] => {
    const held = have.get(want.username)
    if (isThere(held)) return changesOf(want, held)
    const acl = sortedAcl(want.acl)
    return [{ reason: 'Created', action: 'create', username: want.username, acl, message: `account ${want.username}` }]
  })
