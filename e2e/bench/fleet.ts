/** The fleet that the benches load: what `objectPayload` of the simulator sends, with no limit in its way. */
import { randomBytes } from 'node:crypto'
import type { Ref } from '@fleetloom/crds/names'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { fleetDocumentOf } from '@fleetloom/shared/pipeline/testing'

/** Each start makes it anew, under a UID of its own. */
export const benchFleet = (fleet: Ref, changes: Parameters<typeof fleetDocumentOf>[1]): FleetDocument =>
  fleetDocumentOf(fleet, {
    uid: randomBytes(8).toString('hex'),
    payload: { timestampUnit: 'Microseconds' },
    measurements: [
      { name: 'temperature', type: 'Double' },
      { name: 'humidity', type: 'Double' },
      { name: 'battery', type: 'Double' },
      { name: 'state', type: 'Symbol' },
    ],
    limits: { payloadBytes: 16_384, messagesPerSecond: 100_000 },
    writer: { batchRows: 10_000, flushIntervalMs: 500 },
    ...changes,
  })
