import type { KV } from '@nats-io/kv'
import { type Following, followBucket } from '../pipeline/follow-bucket.ts'
import type { Logger } from '../process/logger.ts'
import { type Entry, parseDevice } from './registry.ts'

/**
 * Reports every device once and then each change, tombstones too (`record.removedAt` is set). Current ones are reported before
 * it resolves; survives restarts of NATS.
 */
export const followDevices = ({
  kv,
  log,
  onDevice,
}: {
  readonly kv: KV
  readonly log: Logger
  readonly onDevice: (entry: Entry) => void
}): Promise<Following> =>
  followBucket({
    kv,
    log,
    onPut: (key, value, revision) => {
      const record = parseDevice(value)
      if (record === undefined) log.warn({ key }, 'not a device record; passed over')
      else onDevice({ record, revision })
    },
    onDelete: () => undefined,
  })
