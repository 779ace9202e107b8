/**
 * Questions to the alerters about a fleet, over core NATS: one question, which each owner of a shard answers for it. A shard of which
 * nobody speaks in time is missing from the answers.
 */
import { namesOf } from '@fleetloom/crds/names'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { createInbox, type Msg, type NatsConnection } from '@nats-io/nats-core'
import type { z } from 'zod'

const NO_RESPONDERS = 503

export type Question<Answer> = {
  readonly request: object
  readonly answer: z.ZodType<Answer>
  readonly deadlineMs: number
  /** Shards whose answers are waited for; all when left out. */
  readonly shards?: readonly number[]
  /** While a shard changes hands two may answer for it: whether the later answer is the better one. */
  readonly isBetter?: (later: Answer, earlier: Answer) => boolean
}

type OfShard = { readonly uid: string; readonly shard: number }

/** Undefined when it is no answer about this fleet. */
const answerIn = <Answer extends OfShard>(
  message: Msg,
  { uid, stream }: FleetDocument,
  schema: z.ZodType<Answer>,
): Answer | undefined => {
  try {
    const answer = schema.parse(message.json())
    return answer.uid === uid && answer.shard < stream.telemetrySubjects.length ? answer : undefined
  } catch {
    return undefined
  }
}

/** Answers by shard. Rejects when the connection is closed. */
export const askShards = async <Answer extends OfShard>(
  connection: NatsConnection,
  document: FleetDocument,
  { request, answer, deadlineMs, isBetter = () => true, ...question }: Question<Answer>,
): Promise<ReadonlyMap<number, Answer>> => {
  const answers = new Map<number, Answer>()
  const awaited = new Set(question.shards ?? document.stream.telemetrySubjects.keys())
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const take = (one: Answer): void => {
    const held = answers.get(one.shard)
    if (held === undefined || isBetter(one, held)) answers.set(one.shard, one)
    if (awaited.delete(one.shard) && awaited.size === 0) resolve()
  }
  const inbox = createInbox()
  const subscription = connection.subscribe(inbox, {
    callback: (error, message) => {
      if (error || message.headers?.code === NO_RESPONDERS) return resolve()
      const one = answerIn(message, document, answer)
      if (one) take(one)
    },
  })
  const timer = setTimeout(resolve, deadlineMs)
  try {
    const subject = namesOf(document.installation).askSubject(document)
    connection.publish(subject, JSON.stringify(request), { reply: inbox })
    await done
  } finally {
    clearTimeout(timer)
    subscription.unsubscribe()
  }
  return answers
}
