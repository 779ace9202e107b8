/**
 * The accounts of ingest's sessions. While a fleet's topics change, a session may do what its old and its new document ask for: a
 * message of a topic that goes is not to be held back from ingest because the account was ahead of it.
 */
import { MAX_SESSIONS } from '@fleetloom/crds/device-fleet'
import type { Names, Ref } from '@fleetloom/crds/names'
import { ingestAcl } from '@fleetloom/shared/broker/acl'
import type { Account } from '@fleetloom/shared/broker/broker'
import { allSessions, type FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { report } from '../../loop/converge.ts'
import type { Work } from '../../loop/kind.ts'
import type { AccountList } from './account-list.ts'
import { type AccountChange, planAccounts } from './plan.ts'

export type SessionPassword = (username: string) => string

/** What it takes to write accounts of our own, whose passwords are derived. */
export type OwnAccounts = { readonly accounts: AccountList; readonly passwordOf: SessionPassword }
type Deps = OwnAccounts & { readonly names: Names }

/** MQTT users of a fleet's sessions, by their number. */
const sessionUsers = (document: FleetDocument, names: Names): readonly string[] =>
  Array.from({ length: allSessions(document) }, (_, session) => names.ingestUser(document, session))

/** MQTT users that the fleet may ever have had, by their number. */
const possibleUsers = (fleet: Ref, names: Names): readonly string[] =>
  Array.from({ length: MAX_SESSIONS }, (_, session) => names.ingestUser(fleet, session))

/** How many sessions the broker has accounts for: up to the highest number. */
export const countSessions = async ({ accounts, names }: Omit<Deps, 'passwordOf'>, fleet: Ref): Promise<number> => {
  const held = await accounts.get()
  return possibleUsers(fleet, names).findLastIndex((user) => held.has(user)) + 1
}

const accountsOf = (names: Names, documents: readonly FleetDocument[]): Account[] => {
  const [newest] = documents
  if (!newest) return []
  return sessionUsers(newest, names).map((username, session) => {
    const acls = documents.map((document) => ingestAcl(document, session))
    const acl = {
      publish: acls.flatMap(({ publish }) => publish),
      subscribe: acls.flatMap(({ subscribe }) => subscribe),
    }
    return { username, acl, disabled: false }
  })
}

/** Makes or changes an account of our own. */
export const applyToOwn = (
  { accounts, passwordOf }: OwnAccounts,
  { action, username, acl }: AccountChange,
): Promise<void> => {
  const account = { username, acl, disabled: false }
  if (action === 'create') {
    const secret = { plain: passwordOf(username) }
    return accounts.write((broker) => broker.put([{ ...account, secret }]), [account])
  }
  return accounts.write(async (broker) => {
    if (action === 'set-acl') return broker.setAcl([{ username, acl }])
    await broker.setDisabled(username, action === 'disable')
    return []
  })
}

/** Brings the accounts to what `documents` ask for together; the first is the newest. */
export const convergeSessions = async <Spec>(
  deps: Deps,
  work: Work<Spec>,
  documents: readonly FleetDocument[],
): Promise<void> => {
  const changes = planAccounts(accountsOf(deps.names, documents), await deps.accounts.get())
  for (const change of changes) {
    await applyToOwn(deps, change)
    await report(work, 'BrokerReady', 'broker', [change])
  }
}

/** Removes the accounts of the fleet's sessions from this number on. */
export const removeSessions = async <Spec>(
  { accounts, names }: Omit<Deps, 'passwordOf'>,
  work: Work<Spec>,
  first: number,
): Promise<void> => {
  const held = await accounts.get()
  const users = possibleUsers(work.resource.metadata, names).filter((user, i) => i >= first && held.has(user))
  if (users.length === 0) return
  await accounts.write((broker) => broker.remove(users))
  const message = `accounts ${users.join(', ')}`
  await report(work, 'BrokerReady', 'broker', [{ reason: 'Removed', message, expected: true }])
}
