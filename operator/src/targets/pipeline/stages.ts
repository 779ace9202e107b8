/**
 * How a fleet's document gets from what is published to what is wanted without a reading being lost on the way. Pure; the stage
 * is told by what is published and what ingest has applied, so whoever starts anew after a crash goes on where it stands.
 *
 * A publish to a topic nobody subscribes is acknowledged and gone, so a device may publish only where ingest listens:
 *
 * 1. *subscribe*: publish the wanted document with old and new topics together, and the grants that stand. Ingest subscribes.
 * 2. *grant*: once every session has applied the generation, publish the wanted grants; then the devices' ACLs follow.
 * 3. *trim*: once no device may publish on an old topic and the broker holds nothing more of it, publish the new topics alone.
 *
 * Removal goes the other way: grants away, ACLs away, then `Draining`.
 */
import { isDeepStrictEqual } from 'node:util'
import type { AppliedDocument } from '@fleetloom/shared/pipeline/applied-document'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'

export const NO_GRANTS: FleetDocument['grants'] = { publish: [], subscribe: [] }

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])]

/** Topics of two documents together, those of the first in front. */
export const mergeTopics = (
  a: FleetDocument['topics'],
  b: FleetDocument['topics'] | undefined,
): FleetDocument['topics'] => ({
  telemetry: union(a.telemetry, b?.telemetry ?? []),
  events: union(a.events, b?.events ?? []),
  errors: a.errors,
})

const bare = ({ topics: _, grants: __, ...rest }: FleetDocument) => rest

const covers = (published: FleetDocument, wanted: FleetDocument): boolean =>
  isDeepStrictEqual(bare(published), bare(wanted)) &&
  isDeepStrictEqual(mergeTopics(published.topics, wanted.topics), published.topics)

export type StageInput = {
  readonly wanted: FleetDocument
  readonly published: FleetDocument | undefined
  /** Whether every session of ingest has applied this generation of this fleet. */
  readonly subscribed: boolean
  /** Whether nothing more can arrive on a topic that is no longer wanted. */
  readonly drained: boolean
}

/** What to publish now; the published document itself when nothing is to be done. */
export const nextDocument = ({ wanted, published, subscribed, drained }: StageInput): FleetDocument => {
  if (!published || published.uid !== wanted.uid) return subscribed ? wanted : { ...wanted, grants: NO_GRANTS }
  if (!covers(published, wanted))
    return { ...wanted, topics: mergeTopics(wanted.topics, published.topics), grants: published.grants }
  if (subscribed && !isDeepStrictEqual(published.grants, wanted.grants)) return { ...published, grants: wanted.grants }
  if (subscribed && drained && !isDeepStrictEqual(published.topics, wanted.topics)) return wanted
  return published
}

/** Whether every session has applied this generation. */
export const isSubscribed = (
  { uid, generation, sessions }: Pick<FleetDocument, 'uid' | 'generation' | 'sessions'>,
  applied: readonly (AppliedDocument | undefined)[],
): boolean =>
  Array.from({ length: sessions }, (_, i) => applied[i]).every(
    (one) => one?.uid === uid && one.generation === generation && one.state === 'Subscribed',
  )

/** Whether every session that ever subscribed for this fleet has ended. One that never did holds nothing. */
export const isDrained = (uid: string, applied: readonly (AppliedDocument | undefined)[]): boolean =>
  applied.every((one) => one?.uid !== uid || one.state === 'Drained')
