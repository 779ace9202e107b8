/** From a fleet's spec to the document that the data plane follows. Pure: the same spec gives the same bytes. */
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import type { Names } from '@fleetloom/crds/names'
import { ERRORS_PATTERN, fillFleet } from '@fleetloom/crds/topics'
import { durationMs, quantityBytes } from '@fleetloom/crds/units'
import { allSessions, type FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Resource } from '../../source/source.ts'

type Grants = FleetDocument['grants']
type Measurement = DeviceFleetSpec['measurements'][number]

const measurementOf = ({ name, type, minimum, maximum }: Measurement): FleetDocument['measurements'][number] => ({
  name,
  type,
  ...(minimum !== undefined && { minimum }),
  ...(maximum !== undefined && { maximum }),
})

/** The document of a fleet whose devices may do all that the spec asks for. */
export const compile = ({ metadata, spec }: Resource<DeviceFleetSpec>, names: Names): FleetDocument => {
  const fill = (patterns: readonly string[]): string[] => patterns.map((pattern) => fillFleet(pattern, metadata))
  const { telemetry, events, commands, replies } = spec.topics
  return {
    version: '1.0',
    installation: names.installation,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation,
    phase: 'Active',
    authentication: spec.authentication.mode,
    topics: { telemetry: fill(telemetry), events: fill(events), errors: fillFleet(ERRORS_PATTERN, metadata) },
    grants: {
      publish: fill([...telemetry, ...events, ...replies, ...spec.access.publish]),
      subscribe: fill([...commands, ...spec.access.subscribe, ERRORS_PATTERN]),
    },
    sessions: spec.ingest.sessions,
    surplusSessions: 0,
    payload: {
      timestampField: spec.payload.timestampField,
      timestampUnit: spec.payload.timestampUnit,
      acceptPastMs: durationMs(spec.payload.acceptPast),
      acceptFutureMs: durationMs(spec.payload.acceptFuture),
      allowedLatenessMs: durationMs(spec.payload.allowedLateness),
    },
    measurements: spec.measurements.map(measurementOf),
    offlineAfterMs: durationMs(spec.offlineAfter),
    limits: { payloadBytes: spec.limits.payloadBytes, messagesPerSecond: spec.limits.messagesPerSecond },
    stream: {
      name: names.stream(metadata),
      telemetrySubjects: Array.from({ length: spec.stream.shards }, (_, shard) =>
        names.telemetrySubject(metadata, shard),
      ),
      eventsSubject: names.eventsSubject(metadata),
      maxBytes: quantityBytes(spec.stream.maxBytes),
      keepMs: durationMs(spec.stream.keep),
    },
    table: names.table(metadata),
    writer: { batchRows: spec.writer.batchRows, flushIntervalMs: durationMs(spec.writer.flushInterval) },
  }
}

export const NO_GRANTS: Grants = { publish: [], subscribe: [] }

/** What of `now` is still wanted: what may be kept while the rest of a change is under way. */
export const narrowed = (now: Grants, wanted: Grants): Grants => ({
  publish: now.publish.filter((pattern) => wanted.publish.includes(pattern)),
  subscribe: now.subscribe.filter((pattern) => wanted.subscribe.includes(pattern)),
})

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])]

/**
 * The wanted document with what goes only once it is empty: the old topics, as long as the broker may hold something of them, and the
 * sessions that are too many, which hold their share of the messages. An account says that there was a session, too: the old document
 * may have been lost.
 */
export const withWhatGoes = (want: FleetDocument, old: FleetDocument, sessionAccounts: number): FleetDocument => ({
  ...want,
  surplusSessions: Math.max(0, Math.max(allSessions(old), sessionAccounts) - want.sessions),
  topics: {
    telemetry: union(want.topics.telemetry, old.topics.telemetry),
    events: union(want.topics.events, old.topics.events),
    errors: want.topics.errors,
  },
})
