/**
 * Asks the owners of a fleet's shards for their counters: one request, to which each owner answers for each of its shards. The
 * counts of a part of the shards would be wrong without a sign of it, so there are all or none.
 */
import { label, namesOf } from '@fleetloom/crds/names'
import {
  type CountersAnswer,
  type CountersView,
  mergeCounters,
  type ShardCounters,
  shardCounters,
} from '@fleetloom/shared/events/counters/answer'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { createInbox, type Msg, type NatsConnection } from '@nats-io/nats-core'
import { Problem } from '../http/problem.ts'

const DEADLINE_MS = 2_000
const NO_RESPONDERS = 503

type Ask = { readonly connection: NatsConnection; readonly deadlineMs?: number }

/** Undefined when it is no answer about this fleet. */
const answerIn = (message: Msg, { uid, stream }: FleetDocument): ShardCounters | undefined => {
  try {
    const answer = shardCounters.parse(message.json())
    return answer.uid === uid && answer.shard < stream.telemetrySubjects.length ? answer : undefined
  } catch {
    return undefined
  }
}

/** While a shard changes hands two may answer for it: who has read further is right. */
const keep = (answers: Map<number, CountersAnswer>, { shard, counters }: ShardCounters): void => {
  const held = answers.get(shard)
  if (held === undefined || counters.asOfMicros > held.asOfMicros) answers.set(shard, counters)
}

const collect = async (document: FleetDocument, { connection, deadlineMs = DEADLINE_MS }: Ask) => {
  const answers = new Map<number, CountersAnswer>()
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const inbox = createInbox()
  const subscription = connection.subscribe(inbox, {
    callback: (error, message) => {
      if (error || message.headers?.code === NO_RESPONDERS) return resolve()
      const answer = answerIn(message, document)
      if (answer) keep(answers, answer)
      if (answers.size === document.stream.telemetrySubjects.length) resolve()
    },
  })
  const timer = setTimeout(resolve, deadlineMs)
  try {
    const subject = namesOf(document.installation).askSubject(document)
    connection.publish(subject, JSON.stringify({ kind: 'counters' }), { reply: inbox })
    await done
  } finally {
    clearTimeout(timer)
    subscription.unsubscribe()
  }
  return answers
}

/** The counters of a fleet. @throws Problem when a shard's owner does not answer in time. */
export const askCounters = async (document: FleetDocument, ask: Ask): Promise<CountersView> => {
  const answers = await collect(document, ask)
  const missing = document.stream.telemetrySubjects.flatMap((_, shard) => (answers.has(shard) ? [] : [shard]))
  if (missing.length === 0) return mergeCounters([...answers.values()])
  throw new Problem('unavailable', `nobody answered for shard ${missing.join(', ')} of fleet ${label(document)}`, {
    next: 'Send it again in a while; the alerter counts the events, so see that it runs.',
    retryAfterSeconds: 5,
  })
}
