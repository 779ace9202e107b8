/**
 * A target (broker, stream, database, pipeline) is three small functions: `read` → `plan` → `apply`. What was changed is told
 * in events: as a repair when this very generation had been in place before, so that someone else must have changed it.
 */
import type { ConditionType, Reason } from '@fleetloom/crds/conditions'
import { messageOf } from '@fleetloom/shared/process/logger'
import { reasonOf, Waiting } from './errors.ts'
import type { Work } from './kind.ts'

export type Change = {
  readonly reason: Extract<Reason, 'Created' | 'Updated' | 'Removed'>
  /** The difference in words: `column wind missing`, `maxBytes 1073741824 → 536870912`. */
  readonly message: string
  /** Not drift even where everything was in place before: the change follows from something else that changed. */
  readonly expected?: boolean
}

export type Target<Want, Have, C extends Change> = {
  readonly name: string
  readonly read: (want: Want) => Promise<Have>
  /** Pure. @throws Stalling where what is there may not be touched. */
  readonly plan: (want: Want, have: Have) => readonly C[]
  /** @throws Waiting when the change is made and can't be seen yet. */
  readonly apply: (want: Want, change: C) => Promise<void>
}

const MAX_DIFFERENCES = 10

const wordsOf = (target: string, changes: readonly Change[]): string => {
  const shown = changes.slice(0, MAX_DIFFERENCES).map(({ message }) => message)
  const more = changes.length - shown.length
  return `${target}: ${shown.join('; ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** Tells of changes, one event per reason. */
export const report = async <Spec>(
  work: Work<Spec>,
  condition: ConditionType,
  target: string,
  changes: readonly Change[],
): Promise<void> => {
  const { generation } = work.resource.metadata
  const before = work.previous(condition)
  const wasInPlace = before?.status === 'True' && before.observedGeneration === generation
  const toldOf = ({ reason, expected }: Change): Reason => (wasInPlace && !expected ? 'Repaired' : reason)
  for (const change of changes) work.wrote(target, toldOf(change) === 'Repaired')
  for (const reason of new Set(changes.map(toldOf))) {
    const message = wordsOf(
      target,
      changes.filter((change) => toldOf(change) === reason),
    )
    work.log.info({ reason, generation }, message)
    await work.event({ type: reason === 'Repaired' ? 'Warning' : 'Normal', reason, message })
  }
}

/** Makes the changes in order and tells of those that were made, also when one of them fails. */
const applyAll = async <Spec, Want, Have, C extends Change>(
  work: Work<Spec>,
  condition: ConditionType,
  target: Target<Want, Have, C>,
  want: Want,
): Promise<void> => {
  const applied: C[] = []
  try {
    for (const change of target.plan(want, await target.read(want))) {
      await target.apply(want, change).catch((error) => {
        if (error instanceof Waiting) applied.push(change)
        throw error
      })
      applied.push(change)
    }
  } finally {
    await report(work, condition, target.name, applied)
  }
}

/**
 * Brings a target to what is wanted. What is there may be changed by someone else between two looks at it, and then neither
 * fits the other: what fails for no reason that we know is looked at once more, and only then told as failed.
 */
export const converge = async <Spec, Want, Have, C extends Change>(
  work: Work<Spec>,
  condition: ConditionType,
  target: Target<Want, Have, C>,
  want: Want,
): Promise<void> => {
  try {
    await applyAll(work, condition, target, want)
  } catch (error) {
    if (reasonOf(error) !== 'Failed') throw error
    work.log.info(`${target.name}: looked at once more after ${messageOf(error)}`)
    await applyAll(work, condition, target, want)
  }
}
