/**
 * The accounts of a fleet's devices, as the registry and the document say. The registry is the truth: its key is read again before an
 * account is changed, so that an old read can't bring a revoked device back or take a new one away. Where the broker takes
 * no hashes, an account that is lost stays lost until the device gets a new secret, and `lostDevices` says so.
 *
 * The api writes the registry first and the account a moment later: what is new in the registry is left to it for a while.
 */
import { isDeepStrictEqual } from 'node:util'
import { deviceOfUser, deviceUser, label } from '@fleetloom/crds/names'
import type { Broker } from '@fleetloom/shared/broker/broker'
import { chunksOf } from '@fleetloom/shared/chunks-of'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { deviceAccount } from '@fleetloom/shared/registry/device-account'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import type { Registry } from '@fleetloom/shared/registry/registry'
import type { DeviceIndex } from '../../device-fleet/device-index.ts'
import { report } from '../../loop/converge.ts'
import type { Again, Work } from '../../loop/kind.ts'
import { type AccountList, FRESH_MS } from './account-list.ts'
import { isLeftOver, sweepOrphans } from './left-over.ts'
import { type AccountChange, isThere, planAccounts, sortedAcl } from './plan.ts'
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

/** The devices that changes are about. */
const recordsOf = (records: readonly DeviceRecord[], changes: readonly AccountChange[]): readonly DeviceRecord[] => {
  const users = new Set(changes.map(({ username }) => username))
  return users.size === 0 ? [] : records.filter((record) => users.has(userOf(record)))
}

/** Of devices without an account at `readMs`: those to make one for, and whether some were so new that the api might be about to. */
const sortMissing = (
  { broker }: Deps,
  records: readonly DeviceRecord[],
  missing: readonly AccountChange[],
  readMs: number,
) => {
  const absent = recordsOf(records, missing)
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
  const wanted = records.map((record) => deviceAccount(document, record))
  const changes = planAccounts(wanted, await deps.accounts.get())
  const fresh = recordsOf(records, changes).filter((record) => !isOlder(record, SETTLED_AFTER_MS, readMs))
  const expected = new Set(fresh.map(userOf))
  const planned = changes.map((change) => ({ ...change, expected: expected.has(change.username) }))
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

/** The words of the condition CredentialsLost; undefined while every device has its account. */
export const lostDevices = async <Spec>(
  { broker, accounts, devices, now }: Deps,
  { resource: { metadata } }: Work<Spec>,
): Promise<string | undefined> => {
  const have = await accounts.get()
  const lost = devices
    .of(metadata)
    .filter((record) => isOlder(record, LOST_AFTER_MS, now()) && !canRestore(broker, record))
    .filter(({ namespace, device }) => !isThere(have.get(deviceUser(namespace, device))))
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
