/**
 * The three kinds of fault a reconcile can end in; what is thrown chooses when it is tried again.
 *
 * - `Stalling`: only the user can help. Looked at again at the next resync.
 * - `Waiting`: something else must happen first. Tried again after a set time.
 * - anything else: backoff. `Unreachable` names a back-end that does not answer.
 */
import type { Reason } from '@fleetloom/crds/conditions'

export class Stalling extends Error {
  override name = 'Stalling'
  readonly reason: Reason
  constructor(reason: Reason, message: string) {
    super(message)
    this.reason = reason
  }
}

/** What is told of a wait: everything; a condition that is not known yet, and no event; nothing as long as all else is well. */
export type Told = 'all' | 'quietly' | 'nothing'

export class Waiting extends Error {
  override name = 'Waiting'
  readonly reason: Reason
  readonly retryMs: number
  /** Less than all for a wait that has just begun and is likely to end soon. */
  readonly told: Told
  constructor(reason: Reason, message: string, retryMs: number, told: Told = 'all') {
    super(message)
    this.reason = reason
    this.retryMs = retryMs
    this.told = told
  }
}

export class Unreachable extends Error {
  override name = 'Unreachable'
}

const NO_ANSWER = /timeout|timed out|no responders|connection|ECONN|ENOTFOUND|EHOSTUNREACH|socket|fetch failed|503/i
const NO_ANSWER_NAMES = new Set([
  'BrokerUnavailable',
  'TimeoutError',
  'AbortError',
  'RequestError',
  'NoRespondersError',
])

/** What the database refused names tables and columns, which may be called anything. */
const isUnreachable = (error: Error): boolean =>
  error instanceof Unreachable ||
  NO_ANSWER_NAMES.has(error.name) ||
  (error.name !== 'SqlError' && NO_ANSWER.test(error.message))

/** The one word for a fault. */
export const reasonOf = (error: unknown): Reason => {
  if (error instanceof Stalling || error instanceof Waiting) return error.reason
  return error instanceof Error && isUnreachable(error) ? 'Unreachable' : 'Failed'
}

/** When to try again after these faults: at the next resync, after a time, or with backoff; the soonest certain one wins. */
export type Next =
  | { readonly kind: 'done' }
  | { readonly kind: 'after'; readonly ms: number }
  | { readonly kind: 'backoff' }

export const nextAfter = (errors: readonly unknown[]): Next => {
  const faults = errors.filter((error) => !(error instanceof Stalling))
  if (faults.length === 0) return { kind: 'done' }
  const waits = faults.filter((error) => error instanceof Waiting)
  if (waits.length < faults.length) return { kind: 'backoff' }
  return { kind: 'after', ms: Math.min(...waits.map(({ retryMs }) => retryMs)) }
}
