import type { Ref } from '@fleetloom/crds/names'
import type { Bounded } from '@fleetloom/shared/bounded'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

const FLEET = ['namespace', 'fleet'] as const

type Labels = { namespace: string; fleet: string }

/** What a fleet's parts count. */
export type FleetMetrics = {
  landed(rows: number, bytes: number): void
  rejected(reason: 'database_rejected' | 'foreign_fleet', count: number): void
  retried(): void
  trimmed(messages: number): void
  /** Unread messages and the age of the oldest, the fill of the stream 0..1, seconds until it is full. */
  stream(state: { unread: number; lagSeconds: number; fill: number; secondsLeft: number }): void
  /** Forgets the fleet's series. */
  remove(): void
}

export type WriterMetrics = {
  fleet(fleet: Ref): FleetMetrics
  /** Seconds that one request to the database took. */
  requestTook(seconds: number): void
}

const fleetMetrics = (registers: Registry[]) => {
  const counter = (name: string, help: string, more: readonly string[] = []) =>
    new Counter({ name: `fleetloom_writer_${name}`, help, labelNames: [...FLEET, ...more], registers })
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `fleetloom_writer_${name}`, help, labelNames: [...FLEET], registers })
  return {
    rows: counter('rows_total', 'Rows that the database took.'),
    bytes: counter('bytes_total', 'Bytes of rows that the database took.'),
    batches: counter('batches_total', 'Batches written.'),
    retries: counter('retries_total', 'Batches given back to the stream because they could not be settled.'),
    rejected: counter('rejected_total', 'Dead letters: rows, or whole batches of a foreign fleet.', ['reason']),
    trims: counter('trims_total', 'Times that consumed messages were deleted from the stream.'),
    trimmed: counter('trimmed_messages_total', 'Consumed messages deleted from the stream.'),
    unread: gauge('lag_messages', 'Messages in the stream that are not in the database.'),
    lag: gauge('lag_seconds', 'Age of the oldest message that is not in the database.'),
    fill: gauge('stream_fill_ratio', 'Bytes in the stream, as a part of its maxBytes.'),
    left: gauge(
      'stream_left_seconds',
      'Seconds until the stream is full at the present rate; +Inf when it is not filling.',
    ),
  }
}

type Series = ReturnType<typeof fleetMetrics>

const metricsOf = (series: Series, labels: Labels): FleetMetrics => ({
  landed: (rows, bytes) => {
    series.rows.inc(labels, rows)
    series.bytes.inc(labels, bytes)
    series.batches.inc(labels)
  },
  rejected: (reason, count) => series.rejected.inc({ ...labels, reason }, count),
  retried: () => series.retries.inc(labels),
  trimmed: (messages) => {
    series.trims.inc(labels)
    series.trimmed.inc(labels, messages)
  },
  stream: ({ unread, lagSeconds, fill, secondsLeft }) => {
    series.unread.set(labels, unread)
    series.lag.set(labels, lagSeconds)
    series.fill.set(labels, fill)
    series.left.set(labels, secondsLeft)
  },
  remove: () => {
    for (const reason of ['database_rejected', 'foreign_fleet']) series.rejected.remove({ ...labels, reason })
    const { rejected: _, ...rest } = series
    for (const metric of Object.values(rest)) metric.remove(labels)
  },
})

export const createMetrics = (registry: Registry, memory: Bounded): WriterMetrics => {
  const registers = [registry]
  const series = fleetMetrics(registers)
  const requests = new Histogram({
    name: 'fleetloom_writer_flush_duration_seconds',
    help: 'Time of one request to the database.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 20],
    registers,
  })
  new Gauge({
    name: 'fleetloom_writer_buffered_bytes',
    help: 'Memory taken for readings on their way to the database.',
    registers,
    collect() {
      this.set(memory.taken)
    },
  })
  return {
    fleet: ({ namespace, name }) => metricsOf(series, { namespace, fleet: name }),
    requestTook: (seconds) => requests.observe(seconds),
  }
}
