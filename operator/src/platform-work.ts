/** What no single resource owns: buckets, streams, the broker's defaults, the alerts' table and the alerter's account. */

import { namesOf } from '@fleetloom/crds/names'
import { durationMs } from '@fleetloom/crds/units'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Config } from './config.ts'
import type { ResourceDeps, Servers } from './resource-deps.ts'
import { alertsWant, ensureAlertsTable } from './targets/database/alerts-table.ts'
import { platformWork } from './targets/stream/platform.ts'

/** Brings one thing about and returns what it had to change, in words. */
export type Ensure = () => Promise<readonly string[]>

const HOUR_MS = 3_600_000

/** What must be there before resources are looked at. */
export const foundations = ({ nats, broker }: Pick<Servers, 'nats' | 'broker'>, { installation }: Config): Ensure[] => [
  ...platformWork(nats, namesOf(installation)),
  () => broker.secureDefaults(),
]

/** What stands on them. */
export const alerting = ({ fleets, rules }: ResourceDeps, { alertsTtl }: Config): Ensure[] => [
  () => ensureAlertsTable(fleets.catalog, alertsWant(fleets.names, durationMs(alertsTtl) / HOUR_MS)),
  async () => (await rules.alerter.converge()).map(({ message }) => `broker: ${message}`),
]

/** Does all of it; what is away is tried again at the next resync and holds up nothing else. */
export const ensureAll = async (work: readonly Ensure[], log: Logger): Promise<void> => {
  for (const ensure of work)
    try {
      for (const change of await ensure()) log.warn(change)
    } catch (error) {
      log.warn(messageOf(error))
    }
}
