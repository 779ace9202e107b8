/**
 * Folding the outcomes of steps into conditions. Pure.
 *
 * A step that waits quietly makes its condition Unknown. A step that could not run keeps the condition it had for this generation; it
 * says nothing new. `Ready` is the first of the others that does not hold. The time of transition moves only when the status flips.
 */
import { CONDITION_TYPES, type Condition, type ConditionType, type Reason } from '@fleetloom/crds/conditions'
import type { Observed } from './kind.ts'

export type Outcome = {
  readonly condition: ConditionType
  readonly result:
    | { readonly is: 'done' }
    | { readonly is: 'failed'; readonly reason: Reason; readonly message: string }
    | { readonly is: 'waiting'; readonly reason: Reason; readonly message: string }
    | { readonly is: 'held'; readonly by: ConditionType }
}

type Verdict = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>

export type FoldInput = {
  readonly outcomes: readonly Outcome[]
  readonly observed: readonly Observed[]
  readonly previous: readonly Condition[]
  readonly generation: number
  readonly nowMs: number
}

const IN_PLACE = 'in place'

const verdictOf = (type: ConditionType, outcomes: readonly Outcome[], { previous, generation }: FoldInput): Verdict => {
  const results = outcomes.map(({ result }) => result)
  const failed = results.find((result) => result.is === 'failed')
  if (failed) return { type, status: 'False', reason: failed.reason, message: failed.message }
  const waiting = results.find((result) => result.is === 'waiting')
  if (waiting) return { type, status: 'Unknown', reason: waiting.reason, message: waiting.message }
  const held = results.find((result) => result.is === 'held')
  if (!held) return { type, status: 'True', reason: 'Converged', message: IN_PLACE }
  const before = previous.find((one) => one.type === type && one.observedGeneration === generation)
  return before ?? { type, status: 'Unknown', reason: 'WaitingForTarget', message: `waits for ${held.by}` }
}

const readyOf = (verdicts: readonly Verdict[]): Verdict => {
  const culprit = verdicts.find(({ status }) => status === 'False') ?? verdicts.find(({ status }) => status !== 'True')
  if (!culprit) return { type: 'Ready', status: 'True', reason: 'Converged', message: IN_PLACE }
  return { type: 'Ready', status: 'False', reason: culprit.reason, message: culprit.message }
}

const observedVerdicts = (observed: readonly Observed[]): Verdict[] => {
  const types = [...new Set(observed.map(({ type }) => type))]
  return types.map((type) => {
    const messages = observed.filter((one) => one.type === type).map(({ message }) => message)
    return { type, status: 'True', reason: 'Observed', message: [...new Set(messages)].sort().join('; ') }
  })
}

const order = (type: ConditionType): number => CONDITION_TYPES.indexOf(type)

type Stamp = Pick<FoldInput, 'previous' | 'generation' | 'nowMs'>

/** What the API server takes; whoever is told this much reads no more. */
const MAX_MESSAGE = 4096
const bounded = (message: string): string =>
  message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE - 1)}…`

/** Verdicts as conditions, in the order of the table. */
export const stamped = (verdicts: readonly Verdict[], { previous, generation, nowMs }: Stamp): Condition[] =>
  verdicts
    .map(({ type, status, reason, message }) => {
      const before = previous.find((one) => one.type === type)
      const lastTransitionTime = before?.status === status ? before.lastTransitionTime : new Date(nowMs).toISOString()
      return { type, status, reason, message: bounded(message), observedGeneration: generation, lastTransitionTime }
    })
    .sort((a, b) => order(a.type) - order(b.type))

export const foldConditions = (input: FoldInput): Condition[] => {
  const types = [...new Set(input.outcomes.map(({ condition }) => condition))]
  const verdicts = types.map((type) =>
    verdictOf(
      type,
      input.outcomes.filter(({ condition }) => condition === type),
      input,
    ),
  )
  return stamped([readyOf(verdicts), ...verdicts, ...observedVerdicts(input.observed)], input)
}

/** The previous conditions with another `Ready`: for a resource that is suspended or being removed. */
export const onlyReady = (ready: Pick<Verdict, 'reason' | 'message'>, stamp: Stamp): Condition[] => {
  const others = stamp.previous.filter(({ type }) => type !== 'Ready')
  return [...stamped([{ type: 'Ready', status: 'False', ...ready }], stamp), ...others]
}

/** Conditions whose status or reason changed: what events speak of. */
export const changedConditions = (before: readonly Condition[], after: readonly Condition[]): Condition[] =>
  after.filter(({ type, status, reason }) => {
    const old = before.find((one) => one.type === type)
    return old?.status !== status || old.reason !== reason
  })
