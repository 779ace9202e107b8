/** What a receiver will not hear of is recorded; each resolves once the dead-letter stream has it. */
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { ReceiverKind } from '../metrics.ts'
import type { NotifyParts } from './parts.ts'

type Receiver = {
  readonly kind: ReceiverKind
  /** Where the receiver is, without secrets. */
  readonly receiver: string
}

type Parts = Pick<NotifyParts, 'letters' | 'metrics' | 'log'>

const nameOf = ({ kind, receiver }: Receiver): string => `${kind} ${receiver}`.trim()

export type GivenUp = Receiver & { readonly detail: string }

/** The receiver will never hear of a transition. */
export const giveUp = async ({ letters, metrics, log }: Parts, one: Transition, given: GivenUp): Promise<void> => {
  const told = { receiver: nameOf(given), detail: given.detail }
  await letters.notification(one, { ...told, reason: 'notification_failed' })
  metrics.notified(given.kind, 'dead')
  log.warn({ id: one.id, rule: one.rule, ...told }, 'a notification is given up')
}

export type HeldBack = Receiver & { readonly silence: string }

/** A silence holds a transition back from the receiver. */
export const suppress = async ({ letters, metrics }: Parts, one: Transition, held: HeldBack): Promise<void> => {
  await letters.notification(one, { reason: 'notification_silenced', receiver: nameOf(held), detail: held.silence })
  metrics.notified(held.kind, 'suppressed')
}
