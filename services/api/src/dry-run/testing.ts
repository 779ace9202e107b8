/** A fleet for tests of dry runs. */
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'

export const testFleet: FleetDocument = {
  ...{ version: '1.0', installation: 'fleetloom', namespace: 'coldchain', name: 'reefers', uid: 'u', generation: 1 },
  ...{
    phase: 'Active',
    authentication: 'Password',
    sessions: 2,
    surplusSessions: 0,
    offlineAfterMs: 300_000,
    table: 'coldchain_reefers',
  },
  topics: { telemetry: [], events: [], errors: '' },
  grants: { publish: [], subscribe: [] },
  payload: {
    ...{ timestampField: 'ts', timestampUnit: 'Milliseconds', acceptPastMs: 864e5, acceptFutureMs: 3e5 },
    allowedLatenessMs: 0,
  },
  measurements: [
    { name: 'temperature', type: 'Double' },
    { name: 'door', type: 'Symbol' },
  ],
  limits: { payloadBytes: 16_384, messagesPerSecond: 20 },
  stream: {
    ...{ name: 's', telemetrySubjects: ['0', '1', '2', '3'], eventsSubject: 'e', maxBytes: 1, keepMs: 1 },
  },
  writer: { batchRows: 1, flushIntervalMs: 1 },
}
