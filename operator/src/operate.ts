/** What the replica that leads does: brings every resource about, for as long as it lives. */
import { namesOf, type Ref } from '@fleetloom/crds/names'
import type { ProcessContext } from '@fleetloom/shared/process/run'
import { alertRule } from './alert-rule/kind.ts'
import type { Config } from './config.ts'
import { deviceFleet } from './device-fleet/kind.ts'
import { ensureSurroundings, fleetDeps, type Servers } from './fleets.ts'
import { createController, kindOf } from './loop/controller.ts'

/** Several reports of one fleet in this time cause one look. */
const SETTLE_MS = 100

/** `mayWrite` throws where this replica may not write any more. */
export const operate = async (
  context: ProcessContext<Config>,
  servers: Servers,
  mayWrite: () => void,
): Promise<void> => {
  const { config, log, registry, stack } = context
  const { source, nats, broker } = servers
  const names = namesOf(config.installation)
  const onResync = async (): Promise<void> => {
    mayWrite()
    await ensureSurroundings({ nats, broker, names, log })
  }
  await onResync()
  // Reports of the data plane may come before the controller stands; it looks at everything when it starts.
  let look = (_: Ref): void => undefined
  const deps = await fleetDeps(context, servers, (fleet) => look(fleet))
  const { workers, resyncMs } = config
  const controller = stack.use(
    createController(
      { source, log, registry, workers, resyncMs, onResync },
      kindOf(deviceFleet(deps)),
      kindOf(alertRule(source)),
    ),
  )
  look = (fleet) => controller.enqueue('DeviceFleet', fleet, SETTLE_MS)
  await controller.start()
}
