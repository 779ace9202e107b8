/** Metrics of the service. Sessions count for themselves; what they counted is read when it is asked for. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Budget } from './batch/budget.ts'
import type { Session } from './session/session.ts'
import type { Stats } from './session/stats.ts'

type Source = { readonly sessions: () => Iterable<Session>; readonly budget: Budget }

const COUNTERS: readonly (readonly [name: string, help: string, read: (stats: Stats) => number])[] = [
  ['messages', 'Messages taken from the broker.', (stats) => stats.messages],
  ['rows', 'Rows made of them.', (stats) => stats.rows],
  ['events', 'Events stored.', (stats) => stats.events],
  ['payload_bytes', 'Bytes of payload taken from the broker.', (stats) => stats.payloadBytes],
  ['batches', 'Batches that the stream has.', (stats) => stats.batches],
  ['redelivered', 'Messages that the broker delivered again.', (stats) => stats.redelivered],
  ['unknown_fields', 'Fields of messages that the fleet does not declare.', (stats) => stats.unknownFields],
  ['connections_lost', 'Connections to the broker that ended or did not come about.', (stats) => stats.reconnects],
]

const MAPS: readonly (readonly [
  name: string,
  help: string,
  labelName: string,
  read: (stats: Stats) => Map<string, number>,
])[] = [
  ['rejected', 'Messages set aside as dead letters.', 'reason', (stats) => stats.rejected],
  [
    'publish_faults',
    'Messages that a stream refused at first, by JetStream error code.',
    'code',
    (stats) => stats.faults,
  ],
]

const GAUGES: readonly (readonly [name: string, help: string, read: (session: Session) => number])[] = [
  ['connected', 'Whether the session is connected to the broker.', (session) => (session.isConnected ? 1 : 0)],
  [
    'session_lag_seconds',
    'Age of the oldest probe that the broker has not given back: how far ingest lags.',
    (session) => session.backlog(Date.now()).lagSeconds,
  ],
  [
    'queue_left_seconds',
    "Seconds until the broker's queue for the session is full at the last rate.",
    (session) => session.backlog(Date.now()).leftSeconds,
  ],
]

const SESSION = ['namespace', 'fleet', 'session'] as const

const labelsOf = (session: Session) => ({
  namespace: session.document.namespace,
  fleet: session.document.name,
  session: session.key.split('.').at(-1) ?? '0',
})

/** Registers the metrics; returns what is observed directly: seconds from the sealing of a batch to its PubAck. */
export const registerMetrics = (registry: Registry, { sessions, budget }: Source): ((seconds: number) => void) => {
  const registers = [registry]
  for (const [name, help, read] of COUNTERS) {
    const collect = function (this: Counter) {
      this.reset()
      for (const session of sessions()) this.inc(labelsOf(session), read(session.stats))
    }
    new Counter({ name: `fleetloom_ingest_${name}_total`, help, labelNames: SESSION, registers, collect })
  }
  for (const [name, help, labelName, read] of MAPS) {
    const collect = function (this: Counter) {
      this.reset()
      for (const session of sessions())
        for (const [key, value] of read(session.stats)) this.inc({ ...labelsOf(session), [labelName]: key }, value)
    }
    const labelNames = [...SESSION, labelName]
    new Counter({ name: `fleetloom_ingest_${name}_total`, help, labelNames, registers, collect })
  }
  for (const [name, help, read] of GAUGES) {
    const collect = function (this: Gauge) {
      this.reset()
      for (const session of sessions()) this.set(labelsOf(session), read(session))
    }
    new Gauge({ name: `fleetloom_ingest_${name}`, help, labelNames: SESSION, registers, collect })
  }
  new Gauge({
    name: 'fleetloom_ingest_unacknowledged_bytes',
    help: 'Memory of batches and letters that no stream has acknowledged yet.',
    registers,
    collect() {
      this.set(budget.used)
    },
  })
  const histogram = new Histogram({
    name: 'fleetloom_ingest_publish_seconds',
    help: 'From the sealing of a batch to its PubAck.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  })
  return (seconds) => histogram.observe(seconds)
}
