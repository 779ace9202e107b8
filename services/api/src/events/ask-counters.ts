/**
 * Asks the owners of a fleet's shards for their counters. The counts of a part of the shards would be wrong without a sign of it, so
 * there are all or none.
 */
import { label } from '@fleetloom/crds/names'
import {
  type CountersView,
  mergeCounters,
  type ShardCounters,
  shardCounters,
} from '@fleetloom/shared/events/counters/answer'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { NatsConnection } from '@nats-io/nats-core'
import { askShards } from '../ask-shards.ts'
import { Problem } from '../http/problem.ts'

const DEADLINE_MS = 2_000

type Ask = { readonly connection: NatsConnection; readonly deadlineMs?: number }

/** Who has read further is right. */
const isBetter = (later: ShardCounters, earlier: ShardCounters): boolean =>
  later.counters.asOfMicros > earlier.counters.asOfMicros

/** The counters of a fleet. @throws Problem when a shard's owner does not answer in time. */
export const askCounters = async (
  document: FleetDocument,
  { connection, deadlineMs = DEADLINE_MS }: Ask,
): Promise<CountersView> => {
  const question = { request: { kind: 'counters' }, answer: shardCounters, deadlineMs, isBetter }
  const answers = await askShards(connection, document, question)
  const missing = document.stream.telemetrySubjects.flatMap((_, shard) => (answers.has(shard) ? [] : [shard]))
  if (missing.length === 0) return mergeCounters([...answers.values()].map(({ counters }) => counters))
  throw new Problem('unavailable', `nobody answered for shard ${missing.join(', ')} of fleet ${label(document)}`, {
    next: 'Send it again in a while; the alerter counts the events, so see that it runs.',
    retryAfterSeconds: 5,
  })
}
