/**
 * The words in which Fleetloom speaks of a resource's state: condition types and reasons. A reason is also the reason of
 * the event that reports it. Messages are free text; they say what is wrong and what to do.
 */

/** Conditions every DeviceFleet carries. `Ready` folds the others. */
export const FLEET_CONDITIONS = [
  'Ready',
  'Accepted',
  'BrokerReady',
  'StreamReady',
  'DatabaseReady',
  'PipelineReady',
] as const

/** Conditions that appear while what they name lasts; `True` means it is so. None of them makes a fleet unready. */
export const OBSERVED_CONDITIONS = [
  'RateExceeded',
  'UnknownFields',
  'DeadLetters',
  'DuplicatesPossible',
  'Backlogged',
  'StreamFilling',
  'CredentialsLost',
  'CapacityLow',
  'AlertsBlind',
  'ReceiverMissing',
] as const

export const CONDITION_TYPES = [...FLEET_CONDITIONS, ...OBSERVED_CONDITIONS] as const

export type ConditionType = (typeof CONDITION_TYPES)[number]
export type ObservedType = (typeof OBSERVED_CONDITIONS)[number]

/** One word per cause; the meaning is for the reader of the manual. */
export const REASONS = {
  Converged: 'What the spec asks for is in place.',
  Progressing: 'Work is under way; the message names the step.',
  Suspended:
    'spec.suspend is true: a fleet is not converged, and its data keeps flowing; a rule is not judged, and its alerts resolve.',
  Invalid: 'The resource breaks a rule; the last good version keeps running.',
  TopicNotGranted: "A topic lies outside the fleet's own and outside the prefixes granted to its namespace.",
  TopicConflict: 'A topic overlaps with what another fleet claims, or, of a rule, with what its own fleet reads.',
  Immutable: 'A field was changed that can not change; the message names the way out.',
  NotOwned: 'Something of that name exists that Fleetloom did not make; it is left alone.',
  Unreachable: 'A back-end does not answer; retried with backoff.',
  Unsafe: 'A back-end runs with a setting that breaks a guarantee.',
  WaitingForIngest: 'Ingest has not yet reported that it subscribed for this generation.',
  WaitingForAlerter: 'The alerter has not yet reported that it judges this generation of the rule.',
  WaitingForTarget: 'An earlier step has not finished.',
  Draining: 'The fleet is being removed; readings already acknowledged are written first.',
  Failed: 'A step failed for another reason; the message holds it.',
  Repaired: 'Something was changed by hand and has been put right; the event holds the difference.',
  Created: 'An object was made.',
  Updated: 'An object was changed to match the spec.',
  Removed: 'An object was removed.',
  GaveUp: 'A removal went on without a back-end because a person said so; what is left there must be removed by hand.',
  Observed: 'Reported by a data-plane service.',
  FleetNotFound: 'The fleet that a rule names does not exist yet.',
  InvalidExpression: 'An expression of a rule can not be judged for its fleet; the message holds the position.',
  HistoryNotReady: 'The stream or the table that keeps alerts is not as it must be; the message says what to do.',
  TooManyRules: 'The fleet has as many rules as it may have; this one is not judged.',
  TooManyTopics:
    'The rules of a namespace publish on as many topics as they may; the receivers beyond them are left out.',
  SecretNotReadable:
    'A Secret that a rule names may not be read, or is not as it must be; the receiver that needs it is left out.',
} as const

export type Reason = keyof typeof REASONS

/** As in Kubernetes; times are RFC 3339. */
export type Condition = {
  readonly type: ConditionType
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: Reason
  readonly message: string
  readonly observedGeneration: number
  readonly lastTransitionTime: string
}
