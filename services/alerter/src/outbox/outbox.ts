/**
 * Everything that follows from the alert stream: the history, the record of what fires, and notifications. Three kinds of lanes, each
 * with a durable consumer of its own, so that a database that is away holds up no notification and a broker that is away no webhook:
 *
 * - `history-<p>`: transition → row of the alerts' table.
 * - `notify-<p>`: transition → record of what fires, Alertmanagers, webhooks.
 * - `mqtt`: transition → broker, for all partitions.
 */
import { MQTT_CONSUMER, type Names } from '@fleetloom/crds/names'
import { historyLane } from '@fleetloom/shared/alerts/history-lanes'
import { ALERT_PARTITIONS } from '@fleetloom/shared/alerts/transition'
import type { Nats } from '@fleetloom/shared/nats'
import type { Ownership } from '@fleetloom/shared/ownership'
import type { Logger } from '@fleetloom/shared/process/logger'
import { createQuestdb, type Questdb } from '@fleetloom/shared/questdb/client'
import type { KV } from '@nats-io/kv'
import { alertmanagerUrlsOf, type OutboxConfig } from '../config.ts'
import { historyOutlet } from '../history/history.ts'
import { RowSink } from '../history/sink.ts'
import type { OutboxMetrics } from '../metrics.ts'
import { parseNetworks } from '../notify/address.ts'
import { Alertmanager } from '../notify/alertmanager.ts'
import { createLetters, type Letters } from '../notify/letters.ts'
import { MqttOutlet, type MqttSettings } from '../notify/mqtt.ts'
import { openNotify } from '../notify/notify.ts'
import type { NotifyParts, OpenSecret } from '../notify/parts.ts'
import { Receivers } from '../notify/receivers.ts'
import { Rounds } from '../notify/rounds.ts'
import { Silences } from '../notify/silences.ts'
import { giveUp } from '../notify/unheard.ts'
import { hostOf } from '../notify/webhook.ts'
import { type LaneDefinition, Lanes } from './lanes.ts'
import { StreamWatch } from './trim/watch.ts'
import { type Outlet, Worker } from './worker.ts'

export type OutboxOptions = {
  readonly config: OutboxConfig
  readonly names: Names
  readonly nats: Nats
  /** The alerts' bucket. */
  readonly kv: KV
  readonly ownership: Pick<Ownership, 'owns' | 'onChange'>
  readonly openSecret: OpenSecret
  readonly mqtt: MqttSettings
  readonly metrics: OutboxMetrics
  readonly log: Logger
}

export type Outbox = AsyncDisposable & { readonly questdb: Pick<Questdb, 'ping'> }

const LONGEST_BACKOFF_MS = 15 * 60_000
/** The same reason within this time is one fault. */
const REPEATED_MS = 60_000
/** Times that Alertmanager believes a firing alert without hearing of it, in rounds. */
const ROUNDS_BELIEVED = 4

/** Who works on the lane that publishes for all partitions also keeps room in the stream. */
const MQTT_OWNER = 'alerts.mqtt'

const ownerKey = (partition: number): string => `alerts.${partition}`

const notifyParts = ({ config, openSecret, ...shared }: OutboxOptions, letters: Letters): NotifyParts => ({
  ...shared,
  letters,
  openSecret,
  silences: new Silences(shared),
  receivers: new Receivers(),
  webhook: {
    timeoutMs: config.notifyTimeoutMs,
    allowed: parseNetworks(config.webhookAllowedNetworks),
    now: Date.now,
  },
  retry: {
    attempts: config.webhookAttempts,
    backoffMs: config.webhookBackoffMs,
    longestBackoffMs: LONGEST_BACKOFF_MS,
    longestMs: config.webhookMaxAgeMs,
  },
})

/** The Alertmanagers and the rounds that tell them; on the stack, so that nobody tells them once they are closed. */
const openRounds = (stack: AsyncDisposableStack, { config, ownership }: OutboxOptions, parts: NotifyParts): Rounds => {
  const soon = (): void => rounds.soon()
  const alertmanagers = alertmanagerUrlsOf(config).map((url) =>
    stack.use(
      new Alertmanager({
        url,
        timeoutMs: config.notifyTimeoutMs,
        expiresMs: config.alertmanagerResendMs * ROUNDS_BELIEVED,
        generatorUrl: config.alertUrl,
        onBack: soon,
        setAside: (one, detail) => giveUp(parts, one, { kind: 'alertmanager', receiver: hostOf(url), detail }),
        metrics: parts.metrics,
        log: parts.log,
      }),
    ),
  )
  const owns = (partition: number): boolean => ownership.owns(ownerKey(partition))
  const rounds = stack.use(new Rounds({ ...parts, alertmanagers, resendMs: config.alertmanagerResendMs, owns }))
  ownership.onChange(soon)
  return rounds
}

type Lane = {
  readonly name: string
  readonly filter: string
  readonly ownedBy: string
  readonly outlet: string
  readonly open: () => Promise<Outlet>
}

/** Says why transitions wait; what holds up all lanes, as a server that is away does, is said once. */
const waitingTeller = (log: Logger) => {
  let last = { reason: '', ms: 0 }
  return (reason: string): void => {
    const isRepeated = reason === last.reason && Date.now() - last.ms < REPEATED_MS
    log[isRepeated ? 'debug' : 'warn'](`transitions wait: ${reason}`)
    last = { reason, ms: Date.now() }
  }
}

type Lanewise = OutboxOptions & { readonly onWaiting: (reason: string) => void }

const definitionOf = ({ nats, kv, names, metrics, log, onWaiting }: Lanewise, lane: Lane): LaneDefinition => ({
  name: lane.name,
  ownedBy: lane.ownedBy,
  start: () =>
    new Worker({
      ...{ nats, kv, log },
      position: { stream: names.alertStream, durable: lane.name, filter: lane.filter },
      openOutlet: lane.open,
      onWaiting,
      onUnreadable: metrics.unreadable,
    }),
})

/** Begins at once with the lanes that this replica owns. */
export const openOutbox = (options: OutboxOptions): Outbox => {
  const { config, names, nats, ownership, metrics, log, mqtt } = options
  const stack = new AsyncDisposableStack()
  const questdb = stack.use(createQuestdb(config))
  const letters = createLetters(nats.js, names)
  const sink = stack.use(
    new RowSink({ questdb, table: names.alertsTable, setAside: letters.row, onWritten: metrics.recorded, log }),
  )
  const parts = notifyParts(options, letters)
  const rounds = openRounds(stack, options, parts)
  const partitions = Array.from({ length: ALERT_PARTITIONS }, (_, partition) => partition)
  const lanes: Lane[] = partitions.flatMap((partition) => {
    const place = { filter: names.alertPartition(partition), ownedBy: ownerKey(partition) }
    return [
      { ...place, name: historyLane(partition), outlet: 'history', open: async () => historyOutlet(sink) },
      { ...place, name: `notify-${partition}`, outlet: 'notify', open: () => openNotify(parts, rounds, partition) },
    ]
  })
  lanes.push({
    name: MQTT_CONSUMER,
    filter: names.alertSubjects,
    ownedBy: MQTT_OWNER,
    outlet: 'mqtt',
    open: async () => new MqttOutlet(parts, mqtt),
  })
  const lanewise = { ...options, onWaiting: waitingTeller(log) }
  const definitions = lanes.map((lane) => definitionOf(lanewise, lane))
  stack.use(
    new StreamWatch({ ...{ nats, names, log }, lanes, gauges: metrics, owns: () => ownership.owns(MQTT_OWNER) }),
  )
  stack.use(new Lanes({ lanes: definitions, ownership, connection: nats.connection }))
  return { questdb, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}
