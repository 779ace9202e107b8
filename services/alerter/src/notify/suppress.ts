import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { ReceiverKind } from '../metrics.ts'
import type { NotifyParts } from './parts.ts'

type Suppressed = { readonly kind: ReceiverKind; readonly receivers: readonly string[]; readonly silence: string }

/** Records that a silence held a transition back from receivers of one kind. */
export const suppress = async (
  { letters, metrics }: NotifyParts,
  one: Transition,
  { kind, receivers, silence }: Suppressed,
): Promise<void> => {
  for (const receiver of receivers) {
    const told = { reason: 'notification_silenced', receiver: `${kind} ${receiver}`.trim(), detail: silence } as const
    await letters.notification(one, told)
    metrics.notified(kind, 'suppressed')
  }
}
