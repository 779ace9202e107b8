import type { AlertState } from '@fleetloom/shared/alerts/transition'
import type { RowCounts } from '@fleetloom/shared/rules/engine/shard'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { StreamGauges } from './outbox/trim/watch.ts'

/** The kinds of receivers, as rules name them. */
export type ReceiverKind = 'alertmanager' | 'webhook' | 'mqtt'

/**
 * `sent`: taken by the receiver. `failed`: an attempt that was not. `retried`: an attempt after the first. `dead`: given up.
 * `suppressed`: held back by a silence.
 */
export type NotificationResult = 'sent' | 'failed' | 'retried' | 'dead' | 'suppressed'

export type OutboxMetrics = StreamGauges & {
  notified(kind: ReceiverKind, result: NotificationResult, count?: number): void
  /** Seconds that one attempt took. */
  attemptTook(kind: ReceiverKind, seconds: number): void
  recorded(rows: number): void
  unreadable(): void
  unrecorded(): void
}

const createStreamGauges = (registers: Registry[]): StreamGauges => {
  const fill = new Gauge({
    name: 'fleetloom_alerter_stream_fill_ratio',
    help: 'Bytes in the alert stream as a part of its bound.',
    registers,
  })
  const wait = new Gauge({
    name: 'fleetloom_alerter_transition_wait_seconds',
    help: 'How long the oldest transition has waited for an outlet: history, notify or mqtt. Of the replica that keeps room in the stream.',
    labelNames: ['outlet'],
    registers,
  })
  const trimmed = new Counter({
    name: 'fleetloom_alerter_trimmed_transitions_total',
    help: 'Transitions that everybody has heard of and that made room in the alert stream.',
    registers,
  })
  return {
    fill: (ratio) => fill.set(ratio),
    waits: (seconds) => {
      wait.reset()
      for (const [outlet, value] of seconds) wait.set({ outlet }, value)
    },
    trimmed: (count) => trimmed.inc(count),
  }
}

export const createOutboxMetrics = (registry: Registry): OutboxMetrics => {
  const registers = [registry]
  const notifications = new Counter({
    name: 'fleetloom_alerter_notifications_total',
    help: 'Notifications by receiver and result: sent, failed (an attempt), retried (an attempt after the first), dead (given up), suppressed (by a silence).',
    labelNames: ['receiver', 'result'],
    registers,
  })
  const attempts = new Histogram({
    name: 'fleetloom_alerter_notification_duration_seconds',
    help: 'Time of one attempt to tell a receiver.',
    labelNames: ['receiver'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  })
  const rows = new Counter({
    name: 'fleetloom_alerter_history_rows_total',
    help: 'Transitions written to the history; a repeat counts again and changes nothing.',
    registers,
  })
  const unreadable = new Counter({
    name: 'fleetloom_alerter_unreadable_transitions_total',
    help: 'Messages of the alert stream that were no transitions.',
    registers,
  })
  const unrecorded = new Counter({
    name: 'fleetloom_alerter_unrecorded_alerts_total',
    help: 'Changes that the record of what fires could not take, because its bucket, or all of JetStream, is full.',
    registers,
  })
  return {
    ...createStreamGauges(registers),
    notified: (receiver, result, count = 1) => notifications.inc({ receiver, result }, count),
    attemptTook: (receiver, seconds) => attempts.observe({ receiver }, seconds),
    recorded: (count) => rows.inc(count),
    unreadable: () => unreadable.inc(),
    unrecorded: () => unrecorded.inc(),
  }
}

/** What became of a row. `taken`: nothing is to be said of it. */
export type RowOutcome = 'taken' | Exclude<keyof RowCounts, 'rows'>

export type FleetMetrics = {
  /** Rows were read; those that are read again after a crash count again. */
  read(outcome: RowOutcome, rows: number): void
  /** At most so many messages left their stream before a shard read them. */
  missed(count: number): void
  /** A transition to this state was found; one that is found again after a crash counts again. */
  found(to: AlertState): void
  checkpointed(bytes: number, seconds: number): void
}

/** `underWay`: messages found and not yet in a stream. `shards`: shards held. */
export const createFleetMetrics = (
  registry: Registry,
  now: { readonly underWay: () => number; readonly shards: () => number },
): FleetMetrics => {
  const registers = [registry]
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name: `fleetloom_alerter_${name}`,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  gauge('under_way_messages', 'Transitions and events found that are not yet in their stream.', now.underWay)
  gauge('shards', 'Shards that this replica holds.', now.shards)
  const found = new Counter({
    name: 'fleetloom_alerter_transitions_total',
    help: 'Transitions found, by the state they lead to.',
    labelNames: ['to'],
    registers,
  })
  const rows = new Counter({
    name: 'fleetloom_alerter_rows_total',
    help: 'Rows read, by what became of them: taken, early (judged before their time, as too many waited), late, future, repeated, unknown (device), unreadable.',
    labelNames: ['outcome'],
    registers,
  })
  const missed = new Counter({
    name: 'fleetloom_alerter_missed_messages_total',
    help: 'Messages, at most, that left the stream of their fleet before its alert rules read them.',
    registers,
  })
  const bytes = new Counter({
    name: 'fleetloom_alerter_checkpoint_bytes_total',
    help: 'Bytes of checkpoints.',
    registers,
  })
  const seconds = new Histogram({
    name: 'fleetloom_alerter_checkpoint_duration_seconds',
    help: 'Time from the start of a checkpoint to its manifest.',
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 20],
    registers,
  })
  return {
    read: (outcome, count) => rows.inc({ outcome }, count),
    found: (to) => found.inc({ to }),
    missed: (count) => missed.inc(count),
    checkpointed: (count, took) => {
      bytes.inc(count)
      seconds.observe(took)
    },
  }
}
