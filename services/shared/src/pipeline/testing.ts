/** The document of a fleet as tests and benches want it: what the operator makes of a fleet with the defaults, and their changes. */
import { namesOf, type Ref } from '@fleetloom/crds/names'
import type { FleetDocument } from './fleet-document.ts'

type Change = Omit<Partial<FleetDocument>, 'payload' | 'stream'> & {
  readonly payload?: Partial<FleetDocument['payload']>
  readonly stream?: Partial<FleetDocument['stream']>
  /** Shards of the stream (4). */
  readonly shards?: number
}

const topicsOf = ({ namespace, name }: Ref): FleetDocument['topics'] => {
  const topic = (last: string): string => `fleets/${namespace}/${name}/{device}/${last}`
  return { telemetry: [topic('telemetry')], events: [topic('events')], errors: topic('errors') }
}

const streamOf = (fleet: Ref, shards: number): FleetDocument['stream'] => {
  const names = namesOf()
  return {
    name: names.stream(fleet),
    telemetrySubjects: Array.from({ length: shards }, (_, shard) => names.telemetrySubject(fleet, shard)),
    eventsSubject: names.eventsSubject(fleet),
    maxBytes: 64 * 1024 ** 2,
    keepMs: 86_400_000,
  }
}

/** A fleet of the default installation that measures `temperature`; its devices may do nothing yet. */
export const fleetDocumentOf = (
  { namespace, name }: Ref,
  { payload, stream, shards = 4, ...changes }: Change = {},
): FleetDocument => ({
  version: '1.0',
  installation: namesOf().installation,
  namespace,
  name,
  uid: `uid-${name}`,
  generation: 1,
  phase: 'Active',
  authentication: 'Password',
  topics: topicsOf({ namespace, name }),
  grants: { publish: [], subscribe: [] },
  sessions: 1,
  surplusSessions: 0,
  payload: {
    timestampField: 'ts',
    timestampUnit: 'Milliseconds',
    acceptPastMs: 30 * 86_400_000,
    acceptFutureMs: 300_000,
    allowedLatenessMs: 0,
    ...payload,
  },
  measurements: [{ name: 'temperature', type: 'Double' }],
  offlineAfterMs: 300_000,
  limits: { payloadBytes: 16_384, messagesPerSecond: 20 },
  stream: { ...streamOf({ namespace, name }, shards), ...stream },
  table: namesOf().table({ namespace, name }),
  writer: { batchRows: 10_000, flushIntervalMs: 100 },
  ...changes,
})
