/** The state machine of an alert, of the reference. */
import type { RuleDocument } from '../../../alerts/rule-document.ts'
import type { AlertState } from '../../../alerts/transition.ts'
import type { Truth } from './builders.ts'

export type Alert = {
  state: 'inactive' | 'pending' | 'firing'
  judgedAt: number
  changedAt: number
  /** When time alone may change it. */
  deadline?: number | undefined
  heldSince?: number
  heldReadings?: number
  clearSince?: number | undefined
}

type Seen = { readonly when: Truth; readonly clear: Truth; readonly isReading: boolean }

/** Where a firing alert wants to go. */
const wishOfFiring = (alert: Alert, rule: RuleDocument, at: number, { when, clear }: Seen): Alert['state'] => {
  const clears = rule.clearWhen === undefined ? when === false : clear === true && when !== true
  alert.clearSince = clears ? (alert.clearSince ?? at) : undefined
  return clears && at - (alert.clearSince as number) >= rule.keepFiringForMs * 1000 ? 'inactive' : 'firing'
}

/** Where another wants to go. */
const wish = (alert: Alert, rule: RuleDocument, at: number, { when, isReading }: Seen): Alert['state'] => {
  if (when !== true) return 'inactive'
  if (alert.state === 'inactive') {
    alert.heldSince = at
    alert.heldReadings = 1
  } else if (isReading) alert.heldReadings = (alert.heldReadings as number) + 1
  const isLong = at - (alert.heldSince as number) >= rule.forMs * 1000
  return isLong && (alert.heldReadings as number) >= rule.forReadings ? 'firing' : 'pending'
}

const deadlineOf = (alert: Alert, rule: RuleDocument): number | undefined => {
  if (alert.state === 'pending' && (alert.heldReadings as number) >= rule.forReadings)
    return (alert.heldSince as number) + rule.forMs * 1000
  return alert.state === 'firing' && alert.clearSince !== undefined
    ? alert.clearSince + rule.keepFiringForMs * 1000
    : undefined
}

/** A change of an alert. */
export type Change = { readonly from: AlertState; readonly to: AlertState; readonly atMicros: number }

export const newAlert = (): Alert => ({
  state: 'inactive',
  judgedAt: Number.NEGATIVE_INFINITY,
  changedAt: Number.NEGATIVE_INFINITY,
})

/** The rule was edited: what is pending is dropped, and what fires is judged anew. */
export const renew = (alert: Alert): void => {
  if (alert.state === 'pending') alert.state = 'inactive'
  Object.assign(alert, { clearSince: undefined, deadline: undefined })
}

/** The end of an alert that fires when it is watched no more. */
export const endOf = ({ changedAt }: Alert, now: number): Change => ({
  from: 'firing',
  to: 'resolved',
  atMicros: Math.max(now, changedAt + 1),
})

/** Judges an alert at `at`; the change, if there is one. */
export const step = (alert: Alert, rule: RuleDocument, at: number, seen: Seen): Change | undefined => {
  const from = alert.state
  const to = (from === 'firing' ? wishOfFiring : wish)(alert, rule, at, seen)
  if (to !== from && alert.changedAt === at) {
    alert.deadline = at + 1
    return undefined
  }
  if (to === from) {
    alert.deadline = deadlineOf(alert, rule)
    return undefined
  }
  const atMicros = Math.max(at, alert.changedAt + 1)
  Object.assign(alert, { state: to, changedAt: atMicros, clearSince: undefined })
  alert.deadline = deadlineOf(alert, rule)
  return { from, to: from === 'firing' ? 'resolved' : to, atMicros }
}
