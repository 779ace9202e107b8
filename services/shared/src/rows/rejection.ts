import type { DeadLetterReason } from '../dead-letters/reasons.ts'

/** Why a message can't become a row. */
export type Rejection = { readonly reason: DeadLetterReason; readonly field: string; readonly detail: string }

export const reject = (reason: DeadLetterReason, field: string, detail: string): Rejection => ({
  reason,
  field,
  detail,
})

export const isRejection = (outcome: object): outcome is Rejection => 'reason' in outcome
