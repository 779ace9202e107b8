import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { ReceiverKind } from '../metrics.ts'
import type { NotifyParts } from './parts.ts'

export type GivenUp = {
  readonly kind: ReceiverKind
  /** Where the receiver is, without secrets. */
  readonly receiver: string
  readonly detail: string
}

/** Records that a receiver will never hear of a transition. Resolves once the dead-letter stream has it. */
export const giveUp = async (
  { letters, metrics, log }: Pick<NotifyParts, 'letters' | 'metrics' | 'log'>,
  one: Transition,
  { kind, receiver, detail }: GivenUp,
): Promise<void> => {
  const told = { receiver: `${kind} ${receiver}`.trim(), detail }
  await letters.notification(one, { ...told, reason: 'notification_failed' })
  metrics.notified(kind, 'dead')
  log.warn({ id: one.id, rule: one.rule, ...told }, 'a notification is given up')
}
