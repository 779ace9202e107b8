/**
 * Accounts of devices that were removed: what a crash between registry and broker leaves. The api takes its own away a moment after the
 * registry, and the id may be registered anew at any moment after that, so an account that goes too late would be the new one.
 */
import { deviceOfUser } from '@fleetloom/crds/names'
import { NO_ACCESS } from '@fleetloom/shared/broker/acl'
import type { Account } from '@fleetloom/shared/broker/broker'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import type { Registry } from '@fleetloom/shared/registry/registry'
import type { DeviceIndex } from '../../device-fleet/device-index.ts'
import { report } from '../../loop/converge.ts'
import type { Again, Work } from '../../loop/kind.ts'
import type { AccountList } from './account-list.ts'
import { isThere } from './plan.ts'

type Deps = {
  readonly accounts: AccountList
  readonly devices: DeviceIndex
  readonly registry: Pick<Registry, 'read'>
}

/** Only after this time the account of a removed device is taken for left over. */
const LEFT_AFTER_MS = 10_000

/** Whether the account of a removed device is nobody's any more: of one removed just now, the api takes care. */
export const isLeftOver = ({ updatedAt }: DeviceRecord, nowMs: number): boolean =>
  Math.abs(nowMs - Date.parse(updatedAt)) > LEFT_AFTER_MS

/** Accounts of this namespace that no device of the index stands behind. */
const orphansOf = ({ devices }: Deps, namespace: string, have: ReadonlyMap<string, Account>): Account[] =>
  [...have.values()].filter(({ username }) => {
    const named = deviceOfUser(username)
    return named?.namespace === namespace && !devices.has(namespace, named.device)
  })

/** The device that was removed. Without its tombstone nobody asked for its account to go: the registry may have been lost. */
const tombstoneOf = async ({ registry }: Deps, username: string): Promise<DeviceRecord | undefined> => {
  const named = deviceOfUser(username)
  const record = (named && (await registry.read(named.namespace, named.device)))?.record
  return record?.removedAt === undefined ? undefined : record
}

/** Takes the rights of accounts that are about to be removed; the api may be quicker. */
const disarm = async ({ accounts }: Deps, doomed: readonly Account[]): Promise<void> => {
  const armed = doomed.filter(({ acl }) => acl.publish.length + acl.subscribe.length > 0)
  if (armed.length === 0) return
  const results = await accounts.outcomes((broker) =>
    broker.setAcl(armed.map(({ username }) => ({ username, acl: NO_ACCESS }))),
  )
  const failed = results.filter(({ error }) => error !== undefined)
  if (failed.length === 0) return
  const have = await accounts.get()
  const fault = failed.find(({ username }) => isThere(have.get(username)))
  if (fault) throw new Error(`broker account ${fault.username}: ${fault.error}`)
}

/**
 * Removes the accounts of the namespace's removed devices where `isLeft` says so. The others lose their rights; asks to be called again
 * while there are any.
 */
export const sweepOrphans = async <Spec>(
  deps: Deps,
  work: Work<Spec>,
  isLeft: (tombstone: DeviceRecord) => boolean,
): Promise<Again | undefined> => {
  const doomed: Account[] = []
  for (const account of orphansOf(deps, work.resource.metadata.namespace, await deps.accounts.get())) {
    const { username } = account
    const tombstone = await tombstoneOf(deps, username)
    if (!tombstone) continue
    if (!isLeft(tombstone)) {
      doomed.push(account)
      continue
    }
    await deps.accounts.write((broker) => broker.remove([username]))
    const message = `account ${username} of no registered device`
    await report(work, 'BrokerReady', 'broker', [{ reason: 'Removed', message }])
  }
  await disarm(deps, doomed)
  return doomed.length > 0 ? { againMs: LEFT_AFTER_MS } : undefined
}
