/** What no single resource owns: buckets, streams, the broker's defaults, the alerts' table and the alerter's account. */

import { type Names, namesOf } from '@fleetloom/crds/names'
import { durationMs } from '@fleetloom/crds/units'
import type { Nats } from '@fleetloom/shared/nats'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Config } from './config.ts'
import { reasonOf, Stalling } from './loop/errors.ts'
import type { ResourceDeps, Servers } from './resource-deps.ts'
import { alertsWant, ensureAlertsTable } from './targets/database/alerts-table.ts'
import { platformWork } from './targets/stream/platform.ts'
import { checkAlertStream, refillHistory } from './targets/stream/refill.ts'
import { orAbsent } from './targets/stream/stream-target.ts'

/** Brings one thing about and returns what it had to change, in words. */
type Ensure = () => Promise<readonly string[]>

/** What is to be brought about on one back-end, in this order. */
export type PlatformPart = { readonly backEnd: string; readonly work: readonly Ensure[] }

const HOUR_MS = 3_600_000

/** What must be there before resources are looked at. */
export const foundations = (
  { nats, broker }: Pick<Servers, 'nats' | 'broker'>,
  { installation }: Config,
): readonly PlatformPart[] => [
  { backEnd: 'NATS', work: platformWork(nats, namesOf(installation)) },
  { backEnd: 'broker', work: [() => broker.secureDefaults()] },
]

/** The stream is ours, and the table is there; what is wrong with them for good is kept for the rules to tell. */
const keepHistory = ({ fleets, rules: { history } }: ResourceDeps, ttlHours: number): Ensure => {
  const { nats, names, catalog } = fleets
  return async () => {
    try {
      await checkAlertStream(nats, names)
      const changes = await ensureAlertsTable(catalog, alertsWant(names, ttlHours), () => refillHistory(nats, names))
      history.fault = undefined
      return changes
    } catch (error) {
      if (error instanceof Stalling) history.fault = error.message
      throw error
    }
  }
}

/** What stands on them. */
export const alerting = (deps: ResourceDeps, { alertsTtl }: Config): readonly PlatformPart[] => [
  { backEnd: 'history of alerts', work: [keepHistory(deps, durationMs(alertsTtl) / HOUR_MS)] },
  { backEnd: 'broker', work: [async () => (await deps.rules.alerter.converge()).map(({ message }) => message)] },
]

/** Whether this installation is made now for the first time. Its services make buckets too, but only we make streams of it. */
export const isFirstStart = async (
  { jsm }: Pick<Nats, 'jsm'>,
  { alertStream, deadLetters }: Names,
): Promise<boolean> => {
  const found = await Promise.all([alertStream, deadLetters].map((stream) => orAbsent(jsm.streams.info(stream))))
  return found.every((stream) => stream === undefined)
}

type Told = { readonly log: Logger; readonly level: 'info' | 'warn' }

/** Whether the back-end answers. */
const ensured = async (ensure: Ensure, backEnd: string, { log, level }: Told): Promise<boolean> => {
  try {
    for (const change of await ensure()) log[level](`${backEnd}: ${change}`)
    return true
  } catch (error) {
    log.warn(`${backEnd}: ${messageOf(error)}`)
    return reasonOf(error) !== 'Unreachable'
  }
}

/** Things in a row that give no answer until the back-end is taken to be away: one alone may be a stream without a leader. */
const MOST_SILENT = 2

const ensurePart = async ({ backEnd, work }: PlatformPart, told: Told): Promise<void> => {
  let silent = 0
  for (const ensure of work) {
    silent = (await ensured(ensure, backEnd, told)) ? 0 : silent + 1
    if (silent === MOST_SILENT) return
  }
}

/**
 * Does all of it, the parts side by side. What is away is tried again at the next resync and holds up no other part: a back-end that is
 * away is asked nothing more. What is changed was changed by hand or lost before, which is worth a warning but for the very first time.
 */
export const ensureAll = async (
  parts: readonly PlatformPart[],
  log: Logger,
  level: Told['level'] = 'warn',
): Promise<void> => {
  await Promise.all(parts.map((part) => ensurePart(part, { log, level })))
}
