/** What the replica that leads does: brings every resource about, for as long as it lives. */

import { namesOf } from '@fleetloom/crds/names'
import type { ProcessContext } from '@fleetloom/shared/process/run'
import type { RuleCheck } from './alert-rule/check.ts'
import { alertRule } from './alert-rule/kind.ts'
import type { Config } from './config.ts'
import { deviceFleet } from './device-fleet/kind.ts'
import { createController, kindOf } from './loop/controller.ts'
import { alerting, ensureAll, foundations, isFirstStart } from './platform-work.ts'
import { type Look, resourceDeps, type Servers } from './resource-deps.ts'

export type Operated = Servers & {
  readonly check: RuleCheck
  /** @throws where this replica may not write any more. */
  readonly mayWrite: () => void
}

export const operate = async (
  context: ProcessContext<Config>,
  { check, mayWrite, ...servers }: Operated,
): Promise<void> => {
  const { config, log, registry, stack } = context
  const { source } = servers
  const standing = foundations(servers, config)
  mayWrite()
  const isFirst = await isFirstStart(servers.nats, namesOf(config.installation))
  let level: 'info' | 'warn' = isFirst ? 'info' : 'warn'
  await ensureAll(standing, log, level)
  // Reports of the data plane may come before the controller stands; it looks at everything when it starts.
  let look: Look = () => undefined
  const deps = await resourceDeps(context, servers, (kind, ref, afterMs) => look(kind, ref, afterMs))
  const standsOnIt = alerting(deps, config)
  const onResync = async (): Promise<void> => {
    mayWrite()
    await ensureAll(standing, log, level)
    await ensureAll(standsOnIt, log, level)
    level = 'warn'
  }
  const { workers, resyncMs } = config
  const controller = stack.use(
    createController(
      { source, log, registry, workers, resyncMs, onResync },
      kindOf(deviceFleet(deps.fleets)),
      kindOf(alertRule({ ...deps.rules, check })),
    ),
  )
  look = controller.enqueue
  await controller.start()
}
