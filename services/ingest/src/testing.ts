/** Builders for tests. */
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { fleetDocumentOf } from '@fleetloom/shared/pipeline/testing'

export const fleetDocument = (changes: Partial<FleetDocument> = {}): FleetDocument =>
  fleetDocumentOf(
    { namespace: 'coldchain', name: 'reefers' },
    {
      uid: 'uid-1',
      measurements: [
        { name: 'temperature', type: 'Double', minimum: -60, maximum: 100 },
        { name: 'humidity', type: 'Double' },
        { name: 'battery', type: 'Double' },
        { name: 'state', type: 'Symbol' },
        { name: 'count', type: 'Long' },
        { name: 'open', type: 'Boolean' },
        { name: 'note', type: 'String' },
      ],
      ...changes,
    },
  )

/** The fleet with one value per message, on `sensors/{device}/{measurement}`. */
export const scalarDocument = (changes: Partial<FleetDocument> = {}): FleetDocument =>
  fleetDocument({
    topics: { ...fleetDocument().topics, telemetry: ['sensors/{device}/{measurement}'] },
    ...changes,
  })
