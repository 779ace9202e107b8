/**
 * The accounts of a fleet's devices, as the registry and the document say. The registry is the truth: its key is read again before an
 * account is changed, so that an old read can't bring a revoked device back or take a new one away. Where the broker takes
 * no hashes, an account that is lost stays lost until the device gets a new secret, and `lostDevices` says so.
 *
 * The api writes the registry first and the account a moment later: what is new in the registry is left to it for a while.
 */
import { isDeepStrictEqual } from 'node:util'
import { deviceOfUser, deviceUser, label } from '@fleetloom/crds/names'
import { NO_ACCESS } from '@fleetloom/shared/broker/acl'
import type { Account, Broker } from '@fleetloom/shared/broker/broker'
import { chunksOf } from '@fleetloom/shared/chunks-of'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { deviceAccount } from '@fleetloom/shared/registry/device-account'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import type { Registry } from '@fleetloom/shared/registry/registry'
import type { DeviceIndex } from '../../device-fleet/device-index.ts'
import { report } from '../../loop/converge.ts'
import type { Again, Work } from '../../loop/kind.ts'
import { type AccountList, FRESH_MS } from './account-list.ts'
import { type AccountChange, planAccounts, sortedAcl } from './plan.ts'
import { restoreSome } from './restore.ts'

type Deps = {
  readonly broker: Broker
  readonly accounts: AccountList
  readonly devices: DeviceIndex
  readonly registry: Pick<Registry, 'get' | 'read'>
  readonly now: () => number
}

/** Only after this time an account that is not there counts as lost. */
const LOST_AFTER_MS = 30_000
/** Only after this time the account of a removed device is taken for left over. Its id may be registered anew at any moment. */
const LEFT_AFTER_MS = 10_000
/** What differs so soon after a change of the device is no drift. */
const SETTLED_AFTER_MS = 5_000
const CHUNK = 50
/** Accounts restored at once: what is read of the registry for them is as old as one write. */
const RESTORE_CHUNK = 500
const NAMED = 5

const isOlder = ({ updatedAt }: DeviceRecord, ms: number, nowMs: number): boolean => nowMs - Date.parse(updatedAt) > ms

/** Whether all that the account needs is known: an account for a certificate holds no secret. */
const canRestore = ({ acceptsHashes }: Broker, { authentication }: DeviceRecord): boolean =>
  acceptsHashes || authentication === 'Certificate'

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

/** Whether there is no account that its device could log in with. */
const isLost = (held: Account | undefined): boolean => held === undefined || held.isBroken === true

/** Takes the rights of an account that is about to be removed. */
const disarm = async ({ accounts }: Deps, { username, acl }: Account): Promise<void> => {
  if (acl.publish.length + acl.subscribe.length === 0) return
  const [result] = await accounts.outcomes((broker) => broker.setAcl([{ username, acl: NO_ACCESS }]))
  if (result?.error === undefined) return
  if (!isLost((await accounts.get()).get(username))) throw new Error(`broker account ${username}: ${result.error}`)
}

/** Whether the registry still says of a device of this fleet what the change makes so. */
const isCurrent = async (
  { registry }: Deps,
  document: FleetDocument,
  { username, action, acl }: AccountChange,
): Promise<boolean> => {
  const named = deviceOfUser(username)
  const record = (named && (await registry.get(named.namespace, named.device)))?.record
  if (record?.fleet !== document.name) return false
  const want = deviceAccount(document, record)
  return action === 'set-acl' ? isDeepStrictEqual(sortedAcl(want.acl), acl) : want.disabled === (action === 'disable')
}

const onlyCurrent = async (
  deps: Deps,
  document: FleetDocument,
  changes: readonly AccountChange[],
): Promise<AccountChange[]> => {
  const current = await Promise.all(changes.map((change) => isCurrent(deps, document, change)))
  return changes.filter((_, i) => current[i])
}

const tell = async <Spec>(work: Work<Spec>, changes: readonly AccountChange[]): Promise<void> => {
  if (changes.length > 0) await report(work, 'BrokerReady', 'broker', changes)
}

/** Writes ACLs and tells of them. A device that was removed or changed meanwhile is nobody's fault. */
const writeAcls = async <Spec>(
  deps: Deps,
  work: Work<Spec>,
  document: FleetDocument,
  changes: readonly AccountChange[],
): Promise<void> => {
  const current = await onlyCurrent(deps, document, changes)
  if (current.length === 0) return
  const results = await deps.accounts.outcomes((broker) => broker.setAcl(current))
  const failed = current.filter((_, i) => results[i]?.error !== undefined)
  await tell(
    work,
    current.filter((change) => !failed.includes(change)),
  )
  const [blamed] = await onlyCurrent(deps, document, failed)
  const fault = results.find(({ username }) => username === blamed?.username)
  if (fault) throw new Error(`broker account ${fault.username}: ${fault.error}`)
}

/** Lets a device in or shuts it out; false when there turned out to be nothing to do. */
const switchOne = async (deps: Deps, document: FleetDocument, change: AccountChange): Promise<boolean> => {
  if (!(await isCurrent(deps, document, change))) return false
  try {
    await deps.accounts.write(async (broker) => {
      await broker.setDisabled(change.username, change.action === 'disable')
      return []
    })
    return true
  } catch (error) {
    if (await isCurrent(deps, document, change)) throw error
    return false
  }
}

const userOf = ({ namespace, device }: DeviceRecord): string => deviceUser(namespace, device)

/** Of devices without an account at `readMs`: those to make one for, and whether some were so new that the api might be about to. */
const sortMissing = (
  { broker }: Deps,
  records: readonly DeviceRecord[],
  missing: readonly AccountChange[],
  readMs: number,
) => {
  const users = new Set(missing.map(({ username }) => username))
  const absent = users.size === 0 ? [] : records.filter((record) => users.has(userOf(record)))
  const settled = absent.filter((record) => isOlder(record, LOST_AFTER_MS, readMs))
  const restorable = new Set(settled.filter((record) => canRestore(broker, record)).map(userOf))
  return {
    creates: missing.filter(({ username }) => restorable.has(username)),
    areNew: settled.length < absent.length,
  }
}

/**
 * Brings the accounts of the fleet's devices to what `document` grants. Asks to be called again while the account of a device that
 * was registered just now is not there, or was not yet when the accounts were read, and while that of one removed just now is.
 */
export const convergeDevices = async <Spec>(
  deps: Deps,
  work: Work<Spec>,
  document: FleetDocument,
): Promise<Again | undefined> => {
  const readMs = deps.now()
  const records = deps.devices.of(document)
  const fresh = new Set(records.filter((record) => !isOlder(record, SETTLED_AFTER_MS, readMs)).map(userOf))
  const wanted = records.map((record) => deviceAccount(document, record))
  const planned = planAccounts(wanted, await deps.accounts.get()).map((change) => ({
    ...change,
    expected: fresh.has(change.username),
  }))
  const acls = planned.filter(({ action }) => action === 'set-acl')
  for (const some of chunksOf(acls, CHUNK)) await writeAcls(deps, work, document, some)
  for (const change of planned.filter(({ action }) => action === 'enable' || action === 'disable'))
    if (await switchOne(deps, document, change)) await tell(work, [change])
  const swept = await sweepOrphans(deps, work, (record) => isLeftOver(record, deps.now()))
  const missing = planned.filter(({ action }) => action === 'create')
  const { creates, areNew } = sortMissing(deps, records, missing, readMs)
  await restoreAll(deps, work, document, creates)
  return areNew ? { againMs: FRESH_MS } : swept
}

/** Restores what can be, and only then tells of an account that could not: it is not to keep others' devices out. */
const restoreAll = async <Spec>(
  deps: Deps,
  work: Work<Spec>,
  document: FleetDocument,
  creates: readonly AccountChange[],
): Promise<void> => {
  const errors: string[] = []
  for (const chunk of chunksOf(creates, RESTORE_CHUNK)) {
    const { made, error } = await restoreSome(deps, document, chunk)
    await tell(work, made)
    if (error !== undefined) errors.push(error)
  }
  if (errors[0] !== undefined) throw new Error(errors[0])
}

/**
 * Removes the namespace's accounts whose devices were removed, where `isLeft` says so: what a crash between registry and broker leaves.
 * The others lose their rights. Asks to be called again while there are any.
 */
export const sweepOrphans = async <Spec>(
  deps: Deps,
  work: Work<Spec>,
  isLeft: (tombstone: DeviceRecord) => boolean,
): Promise<Again | undefined> => {
  let again: Again | undefined
  for (const account of orphansOf(deps, work.resource.metadata.namespace, await deps.accounts.get())) {
    const { username } = account
    const tombstone = await tombstoneOf(deps, username)
    if (!tombstone) continue
    if (isLeft(tombstone)) {
      await deps.accounts.write((broker) => broker.remove([username]))
      const message = `account ${username} of no registered device`
      await report(work, 'BrokerReady', 'broker', [{ reason: 'Removed', message }])
    } else {
      await disarm(deps, account)
      again = { againMs: LEFT_AFTER_MS }
    }
  }
  return again
}

/** The words of the condition CredentialsLost; undefined while every device has its account. */
export const lostDevices = async <Spec>(
  { broker, accounts, devices, now }: Deps,
  { resource: { metadata } }: Work<Spec>,
): Promise<string | undefined> => {
  const have = await accounts.get()
  const lost = devices
    .of(metadata)
    .filter((record) => isOlder(record, LOST_AFTER_MS, now()) && !canRestore(broker, record))
    .filter(({ namespace, device }) => isLost(have.get(deviceUser(namespace, device))))
    .map(({ device }) => device)
    .sort()
  if (lost.length === 0) return undefined
  const named = lost.slice(0, NAMED).join(', ')
  const more = lost.length > NAMED ? ` and ${lost.length - NAMED} more` : ''
  return (
    `the broker has lost the accounts of ${named}${more} of ${label(metadata)} and takes no hashed secrets; give each a new secret: ` +
    `POST /v1/namespaces/${metadata.namespace}/fleets/${metadata.name}/devices/DEVICE/rotate`
  )
}
