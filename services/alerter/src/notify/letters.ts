/** What nobody heard, and why, as dead letters of the fleet: given up, held back by a silence, or refused by the database. */
import { createHash } from 'node:crypto'
import type { Names } from '@fleetloom/crds/names'
import { subjectOf, type Transition } from '@fleetloom/shared/alerts/transition'
import { type DeadLetter, deadLetterHeaders } from '@fleetloom/shared/dead-letters/dead-letter'
import type { JetStreamClient } from '@nats-io/jetstream'
import { messageOfTransition } from './message.ts'

export type Letters = {
  /** Resolves once the dead-letter stream has it; a repeat is the same letter. `receiver`: its kind and where it is, without secrets. */
  notification(one: Transition, told: NotificationTold): Promise<void>
  /** A row of the history that the database refused. */
  row(one: Transition, row: string, detail: string): Promise<void>
}

type NotificationTold = {
  readonly reason: 'notification_failed' | 'notification_silenced'
  readonly receiver: string
  readonly detail: string
}

type Told = Pick<DeadLetter, 'topic' | 'stage' | 'reason' | 'detail'>

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
  const publish = async (one: Transition, text: string, told: Told): Promise<void> => {
    const body = Buffer.from(text)
    const head = headOf(one, body, told)
    await js.publish(names.deadSubject(head.fleet, told.reason), body, {
      headers: deadLetterHeaders(head),
      msgID: `${one.id}.${told.reason}.${createHash('sha256').update(told.topic).digest('hex').slice(0, 16)}`,
    })
  }
  return {
    notification: (one, { reason, receiver, detail }) =>
      publish(one, messageOfTransition(one), { topic: receiver, stage: 'notification', reason, detail }),
    row: (one, row, detail) =>
      publish(one, row, { topic: subjectOf(names, one), stage: 'row', reason: 'database_rejected', detail }),
  }
}
