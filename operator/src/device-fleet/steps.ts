/**
 * The steps that make a fleet so, sink first: no reading arrives before its home exists, and no device may publish before someone
 * has subscribed.
 *
 * A change of topics must lose nothing either. A publish to a topic that is granted and not subscribed is acknowledged and gone, so what
 * a fleet no longer wants is taken from the devices before ingest is told, and what is new is granted after ingest has subscribed:
 *
 * 1. Accepted: names fit, topics are granted to the namespace and claimed.
 * 2. DatabaseReady, StreamReady: table, rollups, the namespace's events table, stream, consumer.
 * 3. BrokerReady: grants that are no longer wanted go; ingest's accounts may do what the new document asks of them.
 * 4. PipelineReady: the document goes out with the grants that remain; ingest reports its SUBACK; then all grants are given.
 * 5. BrokerReady: the devices' accounts follow the document. Claims that nobody needs any more are freed.
 */
import { isDeepStrictEqual } from 'node:util'
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { claimsOf, notGranted, ungranted } from '@fleetloom/crds/topics'
import { allSessions, type FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Change, converge, report } from '../loop/converge.ts'
import { Stalling, Waiting } from '../loop/errors.ts'
import type { Step } from '../loop/kind.ts'
import { notRefused } from '../source/not-refused.ts'
import { convergeDevices } from '../targets/broker/devices.ts'
import { convergeSessions, countSessions, removeSessions } from '../targets/broker/sessions.ts'
import { databaseTarget } from '../targets/database/database-target.ts'
import { databaseWant } from '../targets/database/shape.ts'
import { NO_GRANTS, narrowed, withWhatGoes } from '../targets/pipeline/compile.ts'
import { differenceOf, ownDocument } from '../targets/pipeline/documents.ts'
import { streamWant } from '../targets/stream/shape.ts'
import { forgetProgress, streamTarget } from '../targets/stream/stream-target.ts'
import { convergeEvents } from './events-table.ts'
import type { FleetDeps, FleetFacts, FleetWork } from './facts.ts'
import { writeDocument } from './write-document.ts'

export type FleetStep = Step<DeviceFleetSpec, FleetFacts>

/** Ingest reports at once when it has subscribed, and the report triggers the next look; this is for a lost report. */
const INGEST_RETRY_MS = 2_000

const accepted = (deps: FleetDeps): FleetStep => ({
  condition: 'Accepted',
  after: [],
  run: async (work) => {
    const { metadata, spec } = work.resource
    const fault = deps.names.nameFault(metadata)
    if (fault !== undefined) throw new Stalling('Invalid', `${fault}; create the fleet under a shorter name`)
    const [foreign] = ungranted(spec, metadata.namespace, deps.grants)
    if (foreign !== undefined) throw new Stalling('TopicNotGranted', notGranted(foreign, metadata))
    const made = await deps.claims.claim(metadata, claimsOf(spec, metadata))
    const changes = made.map((filter) => ({ reason: 'Created', message: `claim on ${filter}` }) as const)
    await report(work, 'Accepted', 'topics', changes)
    return undefined
  },
})

/**
 * A table that is made anew is filled with what the stream still holds: the writer's consumer goes first, and the stream's step
 * makes it again from the first message. In this order a crash in between loses nothing.
 */
const database = (deps: FleetDeps): FleetStep => ({
  condition: 'DatabaseReady',
  after: ['Accepted'],
  run: async (work) => {
    const { catalog, nats, names, now } = deps
    const { metadata, spec } = work.resource
    const beforeTable = () => forgetProgress(nats.jsm, streamWant(metadata, metadata.uid, spec, names))
    const target = databaseTarget({ catalog, now, beforeTable })
    await converge(work, 'DatabaseReady', target, databaseWant(metadata, metadata.uid, spec, names))
    await convergeEvents(deps, work)
    return undefined
  },
})

const stream = ({ nats, names }: FleetDeps): FleetStep => ({
  condition: 'StreamReady',
  after: ['Accepted'],
  run: async (work, facts) => {
    const { metadata, spec } = work.resource
    const target = streamTarget(nats.jsm, (level) => {
      facts.level = level
    })
    await converge(work, 'StreamReady', target, streamWant(metadata, metadata.uid, spec, names))
    return undefined
  },
})

/** Writes the document if it differs, tells so, and moves the facts on. */
const publish = async (deps: FleetDeps, work: FleetWork, facts: FleetFacts, document: FleetDocument): Promise<void> => {
  const before = facts.stored
  if (before && isDeepStrictEqual(before.document, document)) return
  facts.stored = await writeDocument(deps, document, before)
  const change: Change = {
    reason: before ? 'Updated' : 'Created',
    message: differenceOf(before?.document, document),
    expected: before !== undefined,
  }
  // What the grants are follows from the rest: no news.
  if (change.message === 'grants') return work.wrote('pipeline', false)
  await report(work, 'PipelineReady', 'pipeline', [change])
}

const remainingGrants = ({ stored, want }: FleetFacts): FleetDocument['grants'] =>
  narrowed(ownDocument(stored, want)?.grants ?? NO_GRANTS, want.grants)

/** The fleet's own document as it stands. */
const ownStored = ({ stored, want }: FleetFacts): FleetDocument | undefined => ownDocument(stored, want)

/** What ingest should follow now: with the old topics and sessions, until `trim` finds them empty. */
const listening = (facts: FleetFacts): FleetDocument =>
  withWhatGoes(facts.want, ownStored(facts) ?? facts.want, facts.sessionAccounts)

const sessions = (deps: FleetDeps): FleetStep => ({
  condition: 'BrokerReady',
  after: ['Accepted', 'DatabaseReady', 'StreamReady'],
  run: async (work, facts) => {
    deps.drains.aclsChange(facts.want)
    const stored = deps.documents.read(facts.want)
    facts.stored = stored
    const grants = remainingGrants(facts)
    if (stored && !isDeepStrictEqual(grants, stored.document.grants)) {
      await publish(deps, work, facts, { ...stored.document, grants })
      await convergeDevices(deps, work, { ...stored.document, grants })
    }
    facts.sessionAccounts = await countSessions(deps, facts.want)
    await convergeSessions(deps, work, [listening(facts)])
    return undefined
  },
})

const pipeline = (deps: FleetDeps): FleetStep => ({
  condition: 'PipelineReady',
  after: ['Accepted', 'DatabaseReady', 'StreamReady', 'BrokerReady'],
  run: async (work, facts) => {
    const { want } = facts
    const before = facts.stored
    await publish(deps, work, facts, { ...listening(facts), grants: remainingGrants(facts) })
    const isNew = facts.stored !== before
    const missing = deps.applied.sessionsWithout(
      want,
      want.sessions,
      ({ uid, generation, state }) => uid === want.uid && generation >= want.generation && state === 'Subscribed',
    )
    if (missing.length > 0)
      throw new Waiting(
        'WaitingForIngest',
        `ingest has not subscribed for generation ${want.generation} yet (session ${missing.join(', ')}); is ingest running?`,
        INGEST_RETRY_MS,
        isNew ? 'nothing' : 'all',
      )
    await publish(deps, work, facts, listening(facts))
    return undefined
  },
})

const TRIM_RETRY_MS = 2_000

const devices = (deps: FleetDeps): FleetStep => ({
  condition: 'BrokerReady',
  after: ['Accepted', 'PipelineReady'],
  run: async (work, { want }) => {
    const again = await convergeDevices(deps, work, want)
    deps.drains.aclsAreIn(want)
    return again
  },
})

/** Whether ingest says of every session that is too many that it has ended. */
const haveLeft = ({ applied }: FleetDeps, document: FleetDocument): boolean =>
  applied
    .sessionsWithout(
      document,
      allSessions(document),
      ({ uid, generation, state }) => uid === document.uid && generation >= document.generation && state === 'Drained',
    )
    .every((session) => session < document.sessions)

/**
 * Old topics go once nothing can arrive on them any more; only then may another fleet claim them. Sessions that are too many go
 * once they have ended at the broker.
 */
const trim = (deps: FleetDeps): FleetStep => ({
  condition: 'PipelineReady',
  after: ['PipelineReady', 'BrokerReady'],
  run: async (work, facts) => {
    const { want } = facts
    const hasOld = !isDeepStrictEqual(ownStored(facts)?.topics, want.topics)
    if (hasOld && !(await deps.drains.isDrained(want))) return { againMs: TRIM_RETRY_MS }
    if (!haveLeft(deps, listening(facts))) return { againMs: TRIM_RETRY_MS }
    await publish(deps, work, facts, want)
    await convergeSessions(deps, work, [want])
    await removeSessions(deps, work, want.sessions)
    for (const key of deps.applied.sessionKeysFrom(want, want.sessions)) await deps.appliedBucket.delete(key)
    const freed = await deps.claims.release(want, claimsOf(work.resource.spec, want))
    const changes = freed.map(
      (filter) => ({ reason: 'Removed', message: `claim on ${filter}`, expected: true }) as const,
    )
    await report(work, 'Accepted', 'topics', changes)
    return undefined
  },
})

/** In the order in which they run. */
export const fleetSteps = (deps: FleetDeps): readonly FleetStep[] =>
  [accepted, database, stream, sessions, pipeline, devices, trim, notRefused].map((step) => step(deps))
