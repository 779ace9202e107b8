/**
 * A target (broker, stream, database, pipeline) is three small functions: `read` → `plan` → `apply`. What was changed is told
 * in events: as a repair when this very generation had been in place before, so that someone else must have changed it.
 */
import type { ConditionType, Reason } from '@fleetloom/crds/conditions'
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
  readonly apply: (want: Want, change: C) => Promise<void>
}

const MAX_DIFFERENCES = 10

const messageOf = (target: string, changes: readonly Change[]): string => {
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
  const reasonOf = ({ reason, expected }: Change): Reason => (wasInPlace && !expected ? 'Repaired' : reason)
  for (const change of changes) work.wrote(target, reasonOf(change) === 'Repaired')
  for (const reason of new Set(changes.map(reasonOf))) {
    const message = messageOf(
      target,
      changes.filter((change) => reasonOf(change) === reason),
    )
    work.log.info({ reason, generation }, message)
    await work.event({ type: reason === 'Repaired' ? 'Warning' : 'Normal', reason, message })
  }
}

/** Brings a target to what is wanted and returns what it had to change. */
export const converge = async <Spec, Want, Have, C extends Change>(
  work: Work<Spec>,
  condition: ConditionType,
  target: Target<Want, Have, C>,
  want: Want,
): Promise<readonly C[]> => {
  const changes = target.plan(want, await target.read(want))
  const applied: C[] = []
  try {
    for (const change of changes) {
      await target.apply(want, change)
      applied.push(change)
    }
  } finally {
    await report(work, condition, target.name, applied)
  }
  return applied
}
