import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import type { KindDefinition } from '../loop/kind.ts'
import { fleetExtras } from './extras.ts'
import { type FleetDeps, type FleetFacts, gatherFacts } from './facts.ts'
import { fleetRemoval } from './removal.ts'
import { fleetSteps } from './steps.ts'

/** What a DeviceFleet means. */
export const deviceFleet = (deps: FleetDeps): KindDefinition<DeviceFleetSpec, FleetFacts> => ({
  kind: 'DeviceFleet',
  gather: gatherFacts(deps),
  steps: fleetSteps(deps),
  extras: fleetExtras(deps),
  removal: fleetRemoval(deps),
})
