/**
 * What nobody heard, and why, as dead letters of the fleet: given up, held back by a silence, or refused by the database. The stream of
 * dead letters is bounded in number per fleet and reason and in bytes for all: a letter is cut, so that its largest number is a small part of all.
 */
import { createHash } from 'node:crypto'
import type { Names } from '@fleetloom/crds/names'
import { subjectOf, type Transition } from '@fleetloom/shared/alerts/transition'
import { type DeadLetter, deadLetterHeaders, KEPT_BYTES } from '@fleetloom/shared/dead-letters/dead-letter'
import type { JetStreamClient } from '@nats-io/jetstream'
import { messageOfTransition } from './message.ts'

export type Letters = {
  /** Resolves once the dead-letter stream has it; a repeat is the same letter. `receiver`: its kind and where it is, without secrets. */
  notification(one: Transition, told: NotificationTold): Promise<void>
  /** A row of the history that the database refused. */
  row(one: Transition, row: Uint8Array, detail: string): Promise<void>
}

/** Bytes that are kept of a notification: nobody replays it, and history has the whole transition. */
export const KEPT_OF_NOTIFICATION = 4 * 1024

type NotificationTold = {
  readonly reason: 'notification_failed' | 'notification_silenced'
  readonly receiver: string
  readonly detail: string
}

type Told = Pick<DeadLetter, 'topic' | 'stage' | 'reason' | 'detail'>

type Cut = Told & { readonly kept: number }

const headOf = (one: Transition, body: Uint8Array, told: Told): DeadLetter => ({
  ...told,
  fleet: { namespace: one.namespace, name: one.fleet },
  uid: one.ruleUid,
  generation: 0,
  device: one.device,
  field: '',
  arrivalMs: Math.floor(one.atMicros / 1000),
  payloadBytes: body.length,
  payloadSha256: createHash('sha256').update(body).digest('hex'),
})

export const createLetters = (js: JetStreamClient, names: Names): Letters => {
  const publish = async (one: Transition, body: Uint8Array, { kept, ...told }: Cut): Promise<void> => {
    const head = headOf(one, body, told)
    await js.publish(names.deadSubject(head.fleet, told.reason), body.subarray(0, kept), {
      headers: deadLetterHeaders(head),
      msgID: `${one.id}.${told.reason}.${createHash('sha256').update(told.topic).digest('hex').slice(0, 16)}`,
    })
  }
  return {
    notification: (one, { reason, receiver, detail }) =>
      publish(one, Buffer.from(messageOfTransition(one)), {
        ...{ topic: receiver, stage: 'notification', reason, detail, kept: KEPT_OF_NOTIFICATION },
      }),
    row: (one, row, detail) =>
      publish(one, row, {
        ...{ topic: subjectOf(names, one), stage: 'row', reason: 'database_rejected', detail, kept: KEPT_BYTES },
      }),
  }
}
