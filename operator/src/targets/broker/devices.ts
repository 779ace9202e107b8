/**
 * The accounts of a fleet's devices, as the registry and the document say. The registry is the truth: its key is read again before an
 * account is made or removed, so that an old read can't bring a revoked device back or take a new one away. Where the broker takes
 * no hashes, an account that is lost stays lost until the device gets a new secret, and `lostDevices` says so.
 */
import { deviceOfUser, deviceUser, label } from '@fleetloom/crds/names'
import type { Account, Broker } from '@fleetloom/shared/broker/broker'
import { chunksOf } from '@fleetloom/shared/chunks-of'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { deviceAccount } from '@fleetloom/shared/registry/device-account'
import { type DeviceRecord, mayConnect } from '@fleetloom/shared/registry/device-record'
import type { Registry } from '@fleetloom/shared/registry/registry'
import type { DeviceIndex } from '../../device-fleet/device-index.ts'
import { report } from '../../loop/converge.ts'
import type { Again, Work } from '../../loop/kind.ts'
import { type AccountList, FRESH_MS } from './account-list.ts'
import { type AccountChange, planAccounts } from './plan.ts'
import { restoreSome } from './restore.ts'

type Deps = {
  readonly broker: Broker
  readonly accounts: AccountList
  readonly devices: DeviceIndex
  readonly registry: Pick<Registry, 'get' | 'read'>
  readonly now: () => number
}

/** The api writes the registry first and the account a moment later; only after this time an account counts as lost. */
const LOST_AFTER_MS = 30_000
const CHUNK = 50
/** Accounts restored at once: what is read of the registry for them is as old as one write. */
const RESTORE_CHUNK = 500
const NAMED = 5

const isSettled = ({ updatedAt }: DeviceRecord, nowMs: number): boolean => nowMs - Date.parse(updatedAt) > LOST_AFTER_MS

/** Whether all that the account needs is known: an account for a certificate holds no secret. */
const canRestore = ({ acceptsHashes }: Broker, { authentication }: DeviceRecord): boolean =>
  acceptsHashes || authentication === 'Certificate'

/** Accounts of this namespace that no device of the index stands behind. */
const orphansOf = ({ devices }: Deps, namespace: string, have: ReadonlyMap<string, Account>): AccountChange[] =>
  [...have.keys()].flatMap((username): AccountChange[] => {
    const named = deviceOfUser(username)
    if (named?.namespace !== namespace || devices.has(namespace, named.device)) return []
    const acl = { publish: [], subscribe: [] }
    return [
      { reason: 'Removed', action: 'remove', username, acl, message: `account ${username} of no registered device` },
    ]
  })

const removeOrphan = async ({ accounts, registry }: Deps, { username }: AccountChange): Promise<boolean> => {
  const named = deviceOfUser(username)
  const entry = named && (await registry.read(named.namespace, named.device))
  // Without a tombstone nobody asked for it to go: the registry may have been lost.
  if (entry?.record.removedAt === undefined) return false
  await accounts.write((broker) => broker.remove([username]))
  return true
}

/** Whether the registry still says of a device what this change follows from: devices that may not connect have no rights. */
const isCurrent = async ({ registry }: Deps, { username, action, acl }: AccountChange): Promise<boolean> => {
  const named = deviceOfUser(username)
  const entry = named && (await registry.get(named.namespace, named.device))
  if (!entry) return false
  const givesRights = action === 'enable' || acl.publish.length + acl.subscribe.length > 0
  return !(givesRights && !mayConnect(entry.record))
}

/** Makes one change; false when there turned out to be nothing to do. */
const applyOne = async (deps: Deps, change: AccountChange): Promise<boolean> => {
  if (change.action === 'remove') return removeOrphan(deps, change)
  if (!(await isCurrent(deps, change))) return false
  await deps.accounts.write(async (broker) => {
    await broker.setDisabled(change.username, change.action === 'disable')
    return []
  })
  return true
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
  const settled = absent.filter((record) => isSettled(record, readMs))
  const restorable = new Set(settled.filter((record) => canRestore(broker, record)).map(userOf))
  return {
    creates: missing.filter(({ username }) => restorable.has(username)),
    areNew: settled.length < absent.length,
  }
}

/**
 * Brings the accounts of the fleet's devices to what `document` grants. Asks to be called again while the account of a device that
 * was registered just now is not there, or was not yet when the accounts were read.
 */
export const convergeDevices = async <Spec>(
  deps: Deps,
  work: Work<Spec>,
  document: FleetDocument,
): Promise<Again | undefined> => {
  const readMs = deps.now()
  const records = deps.devices.of(document)
  const wanted = records.map((record) => deviceAccount(document, record))
  const planned = planAccounts(wanted, await deps.accounts.get())
  const acls = planned.filter(({ action }) => action === 'set-acl')
  for (const some of chunksOf(acls, CHUNK)) {
    const current = await Promise.all(some.map((change) => isCurrent(deps, change)))
    const chunk = some.filter((_, i) => current[i])
    if (chunk.length === 0) continue
    await deps.accounts.write((broker) => broker.setAcl(chunk))
    await report(work, 'BrokerReady', 'broker', chunk)
  }
  for (const change of planned.filter(({ action }) => action !== 'set-acl' && action !== 'create'))
    if (await applyOne(deps, change)) await report(work, 'BrokerReady', 'broker', [change])
  await sweepOrphans(deps, work)
  const missing = planned.filter(({ action }) => action === 'create')
  const { creates, areNew } = sortMissing(deps, records, missing, readMs)
  await restoreAll(deps, work, document, creates)
  return areNew ? { againMs: FRESH_MS } : undefined
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
    if (made.length > 0) await report(work, 'BrokerReady', 'broker', made)
    if (error !== undefined) errors.push(error)
  }
  if (errors[0] !== undefined) throw new Error(errors[0])
}

/** Removes the namespace's accounts whose devices were removed: what a crash between registry and broker leaves. */
export const sweepOrphans = async <Spec>(deps: Deps, work: Work<Spec>): Promise<void> => {
  for (const change of orphansOf(deps, work.resource.metadata.namespace, await deps.accounts.get()))
    if (await applyOne(deps, change)) await report(work, 'BrokerReady', 'broker', [change])
}

const isLost = (held: Account | undefined): boolean => held === undefined || held.isBroken === true

/** The words of the condition CredentialsLost; undefined while every device has its account. */
export const lostDevices = async <Spec>(
  { broker, accounts, devices, now }: Deps,
  { resource: { metadata } }: Work<Spec>,
): Promise<string | undefined> => {
  const have = await accounts.get()
  const lost = devices
    .of(metadata)
    .filter((record) => isSettled(record, now()) && !canRestore(broker, record))
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
