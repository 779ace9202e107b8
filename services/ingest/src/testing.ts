/** Builders for tests. */
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'

export const fleetDocument = (changes: Partial<FleetDocument> = {}): FleetDocument => ({
  version: '1.0',
  installation: 'fleetloom',
  namespace: 'coldchain',
  name: 'reefers',
  uid: 'uid-1',
  generation: 1,
  phase: 'Active',
  authentication: 'Password',
  topics: {
    telemetry: ['fleets/coldchain/reefers/{device}/telemetry'],
    events: ['fleets/coldchain/reefers/{device}/events'],
    errors: 'fleets/coldchain/reefers/{device}/errors',
  },
  grants: { publish: [], subscribe: [] },
  sessions: 1,
  payload: {
    timestampField: 'ts',
    timestampUnit: 'Milliseconds',
    acceptPastMs: 30 * 86_400_000,
    acceptFutureMs: 300_000,
    allowedLatenessMs: 0,
  },
  measurements: [
    { name: 'temperature', type: 'Double', minimum: -60, maximum: 100 },
    { name: 'humidity', type: 'Double' },
    { name: 'battery', type: 'Double' },
    { name: 'state', type: 'Symbol' },
    { name: 'count', type: 'Long' },
    { name: 'open', type: 'Boolean' },
    { name: 'note', type: 'String' },
  ],
  offlineAfterMs: 300_000,
  limits: { payloadBytes: 16_384, messagesPerSecond: 20 },
  stream: {
    name: 'fleet_coldchain_reefers',
    telemetrySubjects: [0, 1, 2, 3].map((shard) => `fleet.coldchain.reefers.telemetry.${shard}`),
    eventsSubject: 'fleet.coldchain.reefers.events',
    maxBytes: 64 * 1024 * 1024,
    keepMs: 3_600_000,
  },
  table: 'coldchain_reefers',
  writer: { batchRows: 1000, flushIntervalMs: 100 },
  ...changes,
})

/** The fleet with one value per message, on `sensors/{device}/{measurement}`. */
export const scalarDocument = (changes: Partial<FleetDocument> = {}): FleetDocument =>
  fleetDocument({
    topics: { ...fleetDocument().topics, telemetry: ['sensors/{device}/{measurement}'] },
    ...changes,
  })
