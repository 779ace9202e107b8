/** From readings to transitions: the shards that fall to this replica, and the answers about them. */
import type { Names } from '@fleetloom/crds/names'
import { followRules } from '@fleetloom/shared/alerts/follow-rules'
import type { Nats } from '@fleetloom/shared/nats'
import type { Ownership } from '@fleetloom/shared/ownership'
import { createAppliedReporter } from '@fleetloom/shared/pipeline/applied'
import { followFleets } from '@fleetloom/shared/pipeline/follow'
import type { ProcessContext } from '@fleetloom/shared/process/run'
import { followDevices } from '@fleetloom/shared/registry/follow'
import { enginePorts } from '@fleetloom/shared/rules/ports'
import type { KV } from '@nats-io/kv'
import { serveAsks } from './ask.ts'
import { CheckpointStore } from './checkpoint/store.ts'
import { alertmanagerUrlsOf, type Config } from './config.ts'
import { Fleets } from './fleet/fleets.ts'
import { stillFiring } from './fleet/leftovers.ts'
import { Sender } from './fleet/sender.ts'
import { createFleetMetrics } from './metrics.ts'

export type AlertingOptions = {
  readonly nats: Nats
  readonly names: Names
  /** The alerts' and the applied bucket. */
  readonly alerts: KV
  readonly applied: KV
  readonly ownership: Ownership
}

/** Everything is closed with the context's stack: last checkpoints are written before the connection goes. */
export const startAlerting = async (context: ProcessContext<Config>, options: AlertingOptions): Promise<void> => {
  const { config, log, registry, stack } = context
  const { nats, names, alerts, applied, ownership } = options
  const bucket = names.buckets.alerts
  const sender = stack.use(new Sender({ js: nats.js, log }))
  const metrics = createFleetMetrics(registry, { underWay: () => sender.underWay, shards: () => fleets.shards })
  const reporter = stack.use(createAppliedReporter({ kv: applied, replica: config.replica, log }))
  const checkpoints = new CheckpointStore({ kv: alerts, jsm: nats.jsm, bucket })
  const { checkpointMs } = config
  const alertmanagers = alertmanagerUrlsOf(config).length
  const parts = {
    nats,
    names,
    stillFiring: stillFiring.bind(undefined, { nats, names }),
    ports: enginePorts,
    checkpoints,
    sender,
    reporter,
    metrics,
    log,
    checkpointMs,
    alertmanagers,
  }
  const fleets: Fleets = stack.use(new Fleets(parts, ownership))
  const { known } = fleets
  const pipeline = await nats.bucket(names.buckets.pipeline)
  const devices = await nats.bucket(names.buckets.devices)
  const onRule = { onRule: known.putRule.bind(known), onGone: known.ruleGone.bind(known) }
  const onFleet = { onFleet: known.putFleet.bind(known), onGone: known.fleetGone.bind(known) }
  stack.use(await followDevices({ kv: devices, log, onDevice: ({ record }) => known.putDevice(record) }))
  stack.use(await followRules({ kv: pipeline, log, ...onRule }))
  stack.use(await followFleets({ kv: pipeline, log, ...onFleet }))
  stack.use(serveAsks({ connection: nats.connection, names, fleets, log }))
  fleets.start()
}
