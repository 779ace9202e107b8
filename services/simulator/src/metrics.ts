import { Counter, Gauge, type Registry } from 'prom-client'

export type SimulatorMetrics = ReturnType<typeof createMetrics>

/** What each show's devices did; labelled by fleet (`namespace/name`). */
export const createMetrics = (registry: Registry, outboxes: ReadonlyMap<string, readonly { size: number }[]>) => {
  const counter = (name: string, help: string) =>
    new Counter({ name: `fleetloom_simulator_${name}_total`, help, labelNames: ['fleet'], registers: [registry] })
  return {
    acknowledged: counter('messages_acknowledged', 'Messages that the broker acknowledged.'),
    refused: counter('messages_refused', 'Messages that the broker refused; they are kept and tried again.'),
    dropped: counter('messages_dropped', 'Messages dropped because the buffer of their device was full.'),
    errors: counter('device_errors', "Rejections that devices read on their fleets' errors topics."),
    connected: new Gauge({
      name: 'fleetloom_simulator_devices_connected',
      help: 'Devices that are connected to the broker.',
      labelNames: ['fleet'],
      registers: [registry],
    }),
    buffered: new Gauge({
      name: 'fleetloom_simulator_messages_buffered',
      help: 'Messages that wait to be published.',
      labelNames: ['fleet'],
      registers: [registry],
      collect() {
        for (const [fleet, all] of outboxes)
          this.set(
            { fleet },
            all.reduce((sum, { size }) => sum + size, 0),
          )
      },
    }),
  }
}
