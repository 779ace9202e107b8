/** The deliveries of one partition, with what an earlier owner left. */
import { allRecords, purgeRecord, type StoredRecord } from '@fleetloom/shared/alerts/records'
import { messageOf } from '@fleetloom/shared/process/logger'
import { Deliveries, type Given } from './deliveries.ts'
import { type Delivery, parkedDelivery, parkedKey, parkedValue } from './delivery.ts'
import type { Outcome } from './outcome.ts'
import type { NotifyParts } from './parts.ts'
import { giveUp, suppress } from './unheard.ts'
import { hostOf, postWebhook } from './webhook.ts'

const send = async (
  { openSecret, webhook }: NotifyParts,
  { transition, receiver, over }: Delivery,
): Promise<Outcome> => {
  try {
    const secret = receiver.secret && openSecret(receiver.secret, transition)
    return await postWebhook(transition, { url: receiver.url, secret, signal: over.signal }, webhook)
  } catch (error) {
    return { kind: 'retry', reason: `the webhook's secret can't be opened: ${messageOf(error)}` }
  }
}

/** One attempt, measured. Never rejects. */
const attempt = async (parts: NotifyParts, delivery: Delivery): Promise<Outcome> => {
  const { metrics } = parts
  const startMs = performance.now()
  if (delivery.attempts > 0) metrics.notified('webhook', 'retried')
  const outcome = await send(parts, delivery)
  metrics.attemptTook('webhook', (performance.now() - startMs) / 1000)
  metrics.notified('webhook', outcome.kind === 'sent' ? 'sent' : 'failed')
  return outcome
}

const setAside = async (parts: NotifyParts, { transition, receiver }: Delivery, given: Given): Promise<void> => {
  const [host, detail] = [hostOf(receiver.url), given.reason]
  if (given.kind === 'dead') return giveUp(parts, transition, { kind: 'webhook', receiver: host, detail })
  await suppress(parts, transition, { kind: 'webhook', receiver: host, silence: detail })
}

/** What is parked of a partition, in the order of the stream. A record that nothing can be made of is removed. */
const loadParked = async ({ nats, names, log }: NotifyParts, partition: number): Promise<Delivery[]> => {
  const found: Delivery[] = []
  const load = async (record: StoredRecord): Promise<void> => {
    const delivery = parkedDelivery(record)
    if (delivery) return void found.push(delivery)
    log.error({ key: record.key }, 'a waiting notification is lost: its record can not be read')
    await purgeRecord(nats.jsm, names.buckets.alerts, record)
  }
  for await (const one of allRecords(nats.jsm, names.buckets.alerts, `delivery.${partition}.>`)) await load(one)
  return found.sort((a, b) => a.seq - b.seq || a.index - b.index)
}

/** Resolves once what waits has been taken up. */
export const openDeliveries = async (parts: NotifyParts, partition: number): Promise<Deliveries> => {
  const { nats, names, kv, silences, receivers, retry, log } = parts
  const bucket = names.buckets.alerts
  const parked = await loadParked(parts, partition)
  const deliveries = new Deliveries({
    receivers,
    retry,
    log,
    silencedBy: async ({ transition }) => (await silences.of(transition))?.id,
    attempt: (delivery) => attempt(parts, delivery),
    park: async (delivery) => void (await kv.put(parkedKey(partition, delivery), parkedValue(delivery))),
    unpark: async (delivery) =>
      void (await nats.jsm.streams.purge(`KV_${bucket}`, {
        filter: `$KV.${bucket}.${parkedKey(partition, delivery)}`,
      })),
    setAside: (delivery, given) => setAside(parts, delivery, given),
  })
  deliveries.resume(parked)
  return deliveries
}
