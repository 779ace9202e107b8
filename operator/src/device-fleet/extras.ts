/** What a fleet's status shows beside its steps: what the data plane saw, and what is about to run full. */
import { label } from '@fleetloom/crds/names'
import type { Extras } from '../loop/kind.ts'
import { lostDevices } from '../targets/broker/devices.ts'
import { Forecast } from '../targets/forecast.ts'
import { fillingText } from '../targets/stream/filling.ts'
import { streamWant } from '../targets/stream/shape.ts'
import type { FleetDeps, FleetFacts, FleetWork } from './facts.ts'

type Observed = Extras['observed'][number]

const streamFilling = (deps: FleetDeps, { resource }: FleetWork, { level }: FleetFacts): Observed[] => {
  const { names, now, forecasts } = deps
  const { metadata, spec } = resource
  const want = streamWant(metadata, metadata.uid, spec, names)
  const forecast = forecasts.get(label(metadata)) ?? new Forecast()
  forecasts.set(label(metadata), forecast)
  const message = level && fillingText(forecast, want, level, now())
  return orNothing(message, 'StreamFilling')
}

const orNothing = (message: string | undefined, type: Observed['type']): Observed[] =>
  message === undefined ? [] : [{ type, message }]

/** What the alerter's shards say together. */
const onlineOf = ({ applied }: FleetDeps, { resource: { metadata, spec } }: FleetWork): number =>
  applied.shardsOf(metadata, spec.stream.shards).reduce((sum, report) => sum + (report?.devices?.online ?? 0), 0)

/** A back-end that is away is told by the condition of its step; here it only means that nothing more is known. */
const ifKnown = (found: Promise<Observed[]>): Promise<Observed[]> => found.catch(() => [])

export const fleetExtras =
  (deps: FleetDeps) =>
  async (work: FleetWork, facts: FleetFacts): Promise<Extras> => {
    const { metadata } = work.resource
    const reports = deps.applied.reportsOf(metadata).filter(({ uid }) => uid === metadata.uid)
    const lost = lostDevices(deps, work).then((message) => orNothing(message, 'CredentialsLost'))
    return {
      observed: [
        ...reports.flatMap(({ observed }) => observed),
        ...orNothing(deps.queue.text(), 'Backlogged'),
        ...(await ifKnown(lost)),
        ...streamFilling(deps, work, facts),
      ],
      devices: { registered: deps.devices.of(metadata).length, online: onlineOf(deps, work) },
    }
  }
