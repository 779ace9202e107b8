import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import type { Known } from './outside.ts'
import type { AlerterParts } from './parts.ts'

/** A shard that takes marks only changes little: its checkpoint may be this old. */
export const QUIET_CHECKPOINT_MS = 300_000

/** Shards that began together are not to write together: each waits a share of the time that is its own, three quarters at least. */
export const ownShare = ({ uid }: Pick<FleetDocument, 'uid'>, index: number): number =>
  1 - shardOf(`${uid}#${index}`, 1_000) / 4_000

export type StreamFacts = { readonly created: string; readonly first: number; readonly last: number }

export type ShardOptions = {
  readonly parts: AlerterParts
  readonly document: FleetDocument
  readonly index: number
  /** What is known of the shard now. */
  readonly known: () => Known
  /** Another replica has gone on with this shard. */
  readonly onOvertaken: () => void
}
