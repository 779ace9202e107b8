/** Puts the shows together: every device with its outbox, its session and its player. */
import { label } from '@fleetloom/crds/names'
import type { ProcessContext } from '@fleetloom/shared/process/run'
import type { SimulatorConfig } from './config.ts'
import { Device, type DeviceEvent } from './device/device.ts'
import { Outbox } from './device/outbox.ts'
import type { SimulatorMetrics } from './metrics.ts'
import { play } from './player.ts'
import type { Provisioner } from './provisioning/provision.ts'
import { type Message, type Show, type ShowDevice, userOf } from './shows.ts'

type Parts = Pick<ProcessContext<SimulatorConfig>, 'config' | 'log' | 'stack' | 'fail'> & {
  readonly provisioner: Provisioner
  readonly metrics: SimulatorMetrics
  /** Outboxes by fleet, for the gauge. */
  readonly outboxes: Map<string, Outbox<Message>[]>
}

const counting =
  (metrics: SimulatorMetrics, fleet: string) =>
  (event: DeviceEvent): void => {
    if (event === 'connected') metrics.connected.inc({ fleet })
    else if (event === 'disconnected') metrics.connected.dec({ fleet })
    else if (event === 'error') metrics.errors.inc({ fleet })
    else metrics[event].inc({ fleet })
  }

/** Devices and their players stop with the stack, players first. */
export const startShow = (show: Show, parts: Parts): void => {
  for (const device of show.devices) startDevice(show, device, parts)
}

const startDevice = (show: Show, device: ShowDevice, parts: Parts): void => {
  const { config, log, stack, fail, provisioner, metrics, outboxes } = parts
  const { namespace, name } = show.fleet
  const fleet = label(show.fleet)
  const outbox = new Outbox<Message>(config.bufferMessages, () => metrics.dropped.inc({ fleet }))
  outboxes.set(fleet, [...(outboxes.get(fleet) ?? []), outbox])
  const client = stack.use(
    new Device({
      mqttUrl: config.mqttUrl,
      username: userOf(show, device),
      errorsTopic: `fleets/${namespace}/${name}/${device.device}/errors`,
      outbox,
      secret: (refused) => provisioner.secretOf(show.fleet, device, refused),
      onEvent: counting(metrics, fleet),
      log,
    }),
  )
  const stopped = parts.provisioner.stopped
  client.run().catch((error: Error) => stopped.aborted || fail(`${userOf(show, device)}: ${error.message}`))
  stack.use(play({ show, device: device.device, publish: (message) => client.publish(message), log }))
}
