/**
 * Questions to the alerters, on `names.askSubject(fleet)`. Each alerter that holds shards of the fleet answers once per shard; the
 * others say nothing.
 */
import { z } from 'zod'
import { countersRequest, type shardCounters } from '../events/counters/answer.ts'

/** Devices that one question may name. */
export const MAX_ASKED_DEVICES = 1_000

export const presenceRequest = z.object({
  kind: z.literal('presence'),
  /** Those whose last message is asked for. */
  devices: z.array(z.string().max(128)).max(MAX_ASKED_DEVICES),
})

export const askRequest = z.discriminatedUnion('kind', [countersRequest, presenceRequest])

export const shardPresence = z.object({
  version: z.string(),
  uid: z.string(),
  shard: z.number().int().min(0),
  online: z.number().int().min(0),
  known: z.number().int().min(0),
  /** When a device of the shard was last heard of, ms since the epoch; none for one that never was. */
  lastSeenMs: z.record(z.string(), z.number()),
  /** Whether it is online, of each device asked for that is of the shard. */
  onlineDevices: z.record(z.string(), z.boolean()),
})

export type ShardPresence = z.infer<typeof shardPresence>
export type ShardAnswer = ShardPresence | z.infer<typeof shardCounters>
