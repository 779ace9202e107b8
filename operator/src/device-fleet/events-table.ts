/**
 * A fleet's part in the events table of its namespace. What two fleets of a namespace do to it never overlaps: one that is made
 * while another goes either is seen by it, or makes the table anew. All fleets look at the same table, so one look is good for
 * every fleet of the namespace for a while.
 */
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { label } from '@fleetloom/crds/names'
import { converge } from '../loop/converge.ts'
import { createLock, type Lock } from '../loop/lock.ts'
import type { Metadata } from '../source/source.ts'
import { eventsLeaving, eventsTarget, eventsWant } from '../targets/database/events.ts'
import { streamWant } from '../targets/stream/shape.ts'
import { forgetProgress } from '../targets/stream/stream-target.ts'
import type { FleetDeps, FleetWork } from './facts.ts'

type Fleet = { readonly metadata: Metadata; readonly spec: DeviceFleetSpec }

const fleetsOf = async ({ source }: FleetDeps, namespace: string): Promise<Fleet[]> => {
  const all = await source.list('DeviceFleet')
  return all
    .filter(({ metadata }) => metadata.namespace === namespace)
    .map(({ metadata, spec }) => ({ metadata, spec: spec as DeviceFleetSpec }))
}

const GOOD_FOR_MS = 5_000

/** What the fleets of this process share about events tables. */
export type EventsTables = {
  /** How long events are kept, ms. */
  readonly ttlMs: number
  /** Runs work on them, one piece after the other. */
  readonly lock: Lock
  /** By namespace: when the table was found, or made, as it should be; ms of a monotonic clock. */
  readonly seenMs: Map<string, number>
}

export const eventsTables = (ttlMs: number): EventsTables => ({ ttlMs, lock: createLock(), seenMs: new Map() })

const wasSeen = ({ seenMs }: EventsTables, namespace: string): boolean =>
  performance.now() - (seenMs.get(namespace) ?? Number.NEGATIVE_INFINITY) < GOOD_FOR_MS

/** Brings the table about. One that is made anew is filled with what the streams of all the namespace's fleets still hold. */
export const convergeEvents = (deps: FleetDeps, work: FleetWork): Promise<void> =>
  deps.events.lock(async () => {
    const { catalog, nats, names } = deps
    const { namespace } = work.resource.metadata
    if (wasSeen(deps.events, namespace)) return
    const fleets = await fleetsOf(deps, namespace)
    const beforeTable = async () => {
      for (const { metadata, spec } of fleets)
        await forgetProgress(nats.jsm, streamWant(metadata, metadata.uid, spec, names))
    }
    const specs = fleets.map(({ spec }) => spec)
    const want = eventsWant(namespace, specs, { names, ttlMs: deps.events.ttlMs })
    await converge(work, 'DatabaseReady', eventsTarget(catalog, beforeTable), want)
    deps.events.seenMs.set(namespace, performance.now())
  })

/** A fleet that goes as well and still has its document may have events to write. */
const isLast = async (deps: FleetDeps, { metadata }: FleetWork['resource']): Promise<boolean> => {
  const isOther = (one: Parameters<typeof label>[0]) => label(one) !== label(metadata)
  const live = (await fleetsOf(deps, metadata.namespace)).filter((one) => one.metadata.deletionTimestamp === undefined)
  const documents = deps.documents.refs().filter(({ namespace }) => namespace === metadata.namespace)
  return ![...live.map((one) => one.metadata), ...documents].some(isOther)
}

/** Drops the table, or keeps it, as a fleet goes. */
export const leaveEvents = (deps: FleetDeps, work: FleetWork): Promise<void> =>
  deps.events.lock(async () => {
    const { catalog, names } = deps
    const { metadata, spec } = work.resource
    deps.events.seenMs.delete(metadata.namespace)
    const want = {
      ...eventsWant(metadata.namespace, [], { names, ttlMs: deps.events.ttlMs }),
      onDelete: spec.storage.onDelete,
      isLast: await isLast(deps, work.resource),
    }
    await converge(work, 'DatabaseReady', eventsLeaving(catalog), want)
  })
