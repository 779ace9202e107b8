/**
 * What the operator tells the data plane about one fleet: the value under `fleet.<ns>.<name>` in the pipeline bucket.
 * Readers ignore fields they do not know and keep the last good document when the major version is unknown.
 */
import { z } from 'zod'
import { type Parsed, parseDocument } from './parse-document.ts'

export const DOCUMENT_MAJOR = 1

/** Patterns are as in the spec with `{namespace}` and `{fleet}` filled in; `{device}` and `{measurement}` remain. */
export const fleetDocument = z.object({
  version: z.string(),
  installation: z.string(),
  namespace: z.string(),
  name: z.string(),
  /** UID of the resource: batches carry it, and the writer refuses a foreign one. */
  uid: z.string(),
  /** Generation of the resource: also the schema generation that batches carry. */
  generation: z.number().int(),
  /** `Draining`: ACLs are revoked; ingest takes what the broker still holds, then ends its session and reports Drained. */
  phase: z.enum(['Active', 'Draining']),
  /** How devices log in. */
  authentication: z.enum(['Password', 'Certificate']).default('Password'),
  topics: z.object({
    telemetry: z.array(z.string()),
    events: z.array(z.string()),
    /** Pattern on which a device hears of its rejected messages. */
    errors: z.string(),
  }),
  /** ACL patterns a device of this fleet may have now. Empty until ingest has reported its SUBACK. */
  grants: z.object({ publish: z.array(z.string()), subscribe: z.array(z.string()) }),
  sessions: z.number().int(),
  /** Sessions above those that an earlier document had, and that are not known to have ended at the broker: ingest ends them. */
  surplusSessions: z.number().int().default(0),
  payload: z.object({
    timestampField: z.string(),
    timestampUnit: z.enum(['Seconds', 'Milliseconds', 'Microseconds', 'Nanoseconds', 'RFC3339']),
    acceptPastMs: z.number(),
    acceptFutureMs: z.number(),
    /** How much older than the newest reading of its device a reading may be and still count in rules. */
    allowedLatenessMs: z.number().default(0),
  }),
  measurements: z.array(
    z.object({
      name: z.string(),
      type: z.enum(['Double', 'Long', 'Boolean', 'Symbol', 'String']),
      minimum: z.number().optional(),
      maximum: z.number().optional(),
    }),
  ),
  /** Silence after which a device is offline. */
  offlineAfterMs: z.number().default(300_000),
  limits: z.object({ payloadBytes: z.number().int(), messagesPerSecond: z.number() }),
  stream: z.object({
    name: z.string(),
    /** Telemetry subject of each shard, by shard number; the shard of a device is `shardOf(device, length)`. */
    telemetrySubjects: z.array(z.string()).min(1),
    eventsSubject: z.string(),
    maxBytes: z.number().int(),
    keepMs: z.number(),
  }),
  table: z.string(),
  writer: z.object({ batchRows: z.number().int(), flushIntervalMs: z.number() }),
})

export type FleetDocument = z.infer<typeof fleetDocument>
export type Measurement = FleetDocument['measurements'][number]

/** How many sessions the document speaks of, with those that ingest is to end. */
export const allSessions = ({ sessions, surplusSessions }: FleetDocument): number => sessions + surplusSessions

/** The document in `bytes`, or why it can't be used. Never throws. */
export const parseFleetDocument = (bytes: Uint8Array): Parsed<FleetDocument> =>
  parseDocument(bytes, fleetDocument, DOCUMENT_MAJOR)
