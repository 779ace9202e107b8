import type { Names } from '@fleetloom/crds/names'
import type { KV } from '@nats-io/kv'
import type { Nats } from '../nats.ts'

/**
 * The alerts' bucket: checkpoints of the alerter's shards, and records of alerts. Its size follows from devices and rules, which are
 * bounded, so it has no bound of its own but what JetStream has, and nothing is reserved for it.
 */
export const openAlertsBucket = ({ bucket }: Pick<Nats, 'bucket'>, { buckets }: Names): Promise<KV> =>
  bucket(buckets.alerts, { maxBytes: -1 })
