/**
 * A fleet's part in the events table of its namespace. What two fleets of a namespace do to it never overlaps: one that is made
 * while another goes either is seen by it, or makes the table anew.
 */
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { label } from '@fleetloom/crds/names'
import { converge } from '../loop/converge.ts'
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

/** Brings the table about. One that is made anew is filled with what the streams of all the namespace's fleets still hold. */
export const convergeEvents = (deps: FleetDeps, work: FleetWork): Promise<void> =>
  deps.events.lock(async () => {
    const { catalog, nats, names } = deps
    const { namespace } = work.resource.metadata
    const fleets = await fleetsOf(deps, namespace)
    const beforeTable = async () => {
      for (const { metadata, spec } of fleets)
        await forgetProgress(nats.jsm, streamWant(metadata, metadata.uid, spec, names))
    }
    const specs = fleets.map(({ spec }) => spec)
    const want = eventsWant(namespace, specs, { names, ttlMs: deps.events.ttlMs })
    await converge(work, 'DatabaseReady', eventsTarget(catalog, beforeTable), want)
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
    const want = {
      ...eventsWant(metadata.namespace, [], { names, ttlMs: deps.events.ttlMs }),
      onDelete: spec.storage.onDelete,
      isLast: await isLast(deps, work.resource),
    }
    await converge(work, 'DatabaseReady', eventsLeaving(catalog), want)
  })
