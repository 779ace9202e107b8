import { report } from '../loop/converge.ts'
import { sessionsWithAccounts } from '../targets/broker/sessions.ts'
import type { FleetDeps, FleetWork } from './facts.ts'

/** Removes the accounts of the fleet's sessions from this number on. */
export const removeSessionsFrom = async (
  { accounts, names }: Pick<FleetDeps, 'accounts' | 'names'>,
  work: FleetWork,
  first: number,
): Promise<void> => {
  const { metadata } = work.resource
  const sessions = sessionsWithAccounts(metadata, names, await accounts.get()).filter((session) => session >= first)
  const users = sessions.map((session) => names.ingestUser(metadata, session))
  if (users.length === 0) return
  await accounts.write((broker) => broker.remove(users))
  const message = `accounts ${users.join(', ')}`
  await report(work, 'BrokerReady', 'broker', [{ reason: 'Removed', message, expected: true }])
}
