/**
 * Makes lost accounts again from the registry's hashes, some hundreds at a time.
 *
 * The registry is read right before each write, and once more after it: a device that was removed or changed while the
 * write was under way gets what the registry says by then, so that an old read can't bring a revoked device back for
 * longer than that.
 */
import { deviceOfUser } from '@fleetloom/crds/names'
import type { Acl } from '@fleetloom/shared/broker/broker'
import { deviceAccount, storedCredential } from '@fleetloom/shared/registry/device-account'
import type { Entry, Registry } from '@fleetloom/shared/registry/registry'
import type { AccountList } from './account-list.ts'
import type { AccountChange } from './plan.ts'

type Deps = { readonly accounts: AccountList; readonly registry: Pick<Registry, 'get' | 'read'> }
type Document = { readonly name: string; readonly grants: Acl }
type Lost = { readonly change: AccountChange; readonly entry: Entry | undefined }

/** What was made, and the first fault among what was not. */
export type Restored = { readonly made: readonly AccountChange[]; readonly error?: string }

/** A device that changes in this many writes on end is left to the next look. */
const ROUNDS = 3

/** A device that was registered anew in another fleet is not there for this one. */
const look = ({ registry }: Deps, { name }: Document, changes: readonly AccountChange[]): Promise<Lost[]> =>
  Promise.all(
    changes.map(async (change) => {
      const named = deviceOfUser(change.username)
      const entry = named && (await registry.get(named.namespace, named.device))
      return { change, entry: entry?.record.fleet === name ? entry : undefined }
    }),
  )

const isThere = (lost: Lost): lost is Lost & { readonly entry: Entry } => lost.entry !== undefined

/** @throws what ends a write for all, such as `BrokerUnavailable`. */
export const restoreSome = async (
  deps: Deps,
  document: Document,
  changes: readonly AccountChange[],
  rounds = ROUNDS,
): Promise<Restored> => {
  const lost = (await look(deps, document, changes)).filter(isThere)
  if (lost.length === 0) return { made: [] }
  const results = await deps.accounts.outcomes((broker) =>
    broker.put(
      lost.map(({ entry: { record } }) => ({ ...deviceAccount(document, record), secret: storedCredential(record) })),
    ),
  )
  const made = lost.filter((_, i) => results[i]?.error === undefined)
  const failed = results.find(({ error }) => error !== undefined)
  const moved = (
    await look(
      deps,
      document,
      made.map(({ change }) => change),
    )
  ).filter(({ entry }, i) => entry?.revision !== made[i]?.entry.revision)
  const gone = moved.filter((one) => !isThere(one)).map(({ change }) => change.username)
  if (gone.length > 0) await deps.accounts.write((broker) => broker.remove(gone))
  if (rounds > 1)
    await restoreSome(
      deps,
      document,
      moved.filter(isThere).map(({ change }) => change),
      rounds - 1,
    )
  return {
    made: made.map(({ change }) => change).filter(({ username }) => !gone.includes(username)),
    ...(failed ? { error: `broker account ${failed.username}: ${failed.error}` } : {}),
  }
}
