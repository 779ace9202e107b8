/** What the broker holds for sessions that do not take it, and how long its queue lasts at the current growth. */
import type { Broker, QueueCounters } from '@fleetloom/shared/broker/broker'
import { Counter, Gauge, type Registry } from 'prom-client'
import { Forecast } from '../targets/forecast.ts'

export type BrokerQueue = {
  /** The words of the condition Backlogged; undefined while the queue is small. */
  text(): string | undefined
}

/** From this share of its bound on the queue is told. */
const ALARM = 0.05
const SAMPLE_MS = 5_000

type Bounds = { readonly messages: number; readonly bytes: number }

/** The bound that is nearer decides; a broker that does not tell bytes is judged by messages. */
const share = ({ queuedMessages, queuedBytes }: QueueCounters, bounds: Bounds): number =>
  Math.max(queuedMessages / bounds.messages, (queuedBytes ?? 0) / bounds.bytes)

/**
 * The broker counts all sessions together, so the forecast takes everything queued for one session's: it errs on the early
 * side.
 */
export const watchBrokerQueue = (
  broker: Pick<Broker, 'counters'>,
  bounds: Bounds,
  { registry, now }: { readonly registry: Registry; readonly now: () => number },
): BrokerQueue & Disposable => {
  const forecast = new Forecast()
  /** What is told of the counters and what is told of their growth come from the same look. */
  const look = (): QueueCounters | undefined => {
    const counters = broker.counters()
    if (counters) forecast.sample(share(counters, bounds), now())
    return counters
  }
  const timer = setInterval(look, SAMPLE_MS)
  const gauge = (name: string, help: string, value: () => number | undefined): void => {
    new Gauge({
      name: `fleetloom_operator_broker_${name}`,
      help,
      registers: [registry],
      collect() {
        const current = value()
        if (current === undefined) this.remove()
        else this.set(current)
      },
    })
  }
  gauge('queued_messages', 'Messages the broker holds for sessions', () => broker.counters()?.queuedMessages)
  new Counter({
    name: 'fleetloom_operator_broker_dropped_messages_total',
    help: 'Messages the broker dropped since its start',
    registers: [registry],
    collect() {
      const dropped = broker.counters()?.droppedMessages
      this.reset()
      if (dropped === undefined) this.remove()
      else this.inc(dropped)
    },
  })
  gauge(
    'queue_left_seconds',
    'Time until the queue is full at its current growth; +Inf while it does not grow',
    () => look() && forecast.secondsLeft(1),
  )
  return {
    text: () => {
      const counters = look()
      if (!counters || (share(counters, bounds) < ALARM && counters.droppedMessages === 0)) return undefined
      const { queuedMessages, droppedMessages } = counters
      const dropped =
        droppedMessages > 0 ? `; it has dropped ${droppedMessages} acknowledged messages since its start` : ''
      return `the broker holds ${queuedMessages} messages of all fleets that ingest has not taken; its queue ${forecast.text(1)}${dropped}`
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
