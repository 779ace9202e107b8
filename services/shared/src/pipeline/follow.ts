import { fleetOfKey, type Ref } from '@fleetloom/crds/names'
import type { KV } from '@nats-io/kv'
import type { Logger } from '../process/logger.ts'
import { type FleetDocument, parseFleetDocument } from './fleet-document.ts'
import { followBucket } from './follow-bucket.ts'

/**
 * Follows the fleets' documents. `onFleet` is called for each current one before this resolves and then on each change; a
 * document that can't be read is logged and the last good one stays in force.
 */
export const followFleets = (options: {
  readonly kv: KV
  readonly log: Logger
  readonly onFleet: (document: FleetDocument) => void
  readonly onGone: (fleet: Ref) => void
}): Promise<AsyncDisposable> =>
  followBucket({
    kv: options.kv,
    log: options.log,
    onPut: (key, value, revision) => {
      if (!fleetOfKey(key)) return
      const parsed = parseFleetDocument(value)
      if ('ok' in parsed) options.onFleet(parsed.ok)
      else options.log.error({ key, revision }, `unreadable fleet document, the last good one stays: ${parsed.error}`)
    },
    onDelete: (key) => {
      const fleet = fleetOfKey(key)
      if (fleet) options.onGone(fleet)
    },
  })
