/** Whether a resource may be applied, judged by what is known of the others. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { label, type Ref } from '@fleetloom/crds/names'
import { claimsOf } from '@fleetloom/crds/topics'
import { type CheckedFleet, faultText, type RuleCheck, type RuleFault } from '../alert-rule/check.ts'
import { fleetOf } from '../alert-rule/facts.ts'
import { fullText, isFull } from '../alert-rule/room.ts'
import { sizeFaults } from '../alert-rule/size.ts'
import { type Conflict, ownTopicFaults, topicFaults } from '../alert-rule/topics.ts'
import type { Resource } from '../source/source.ts'

export type Verdict = {
  /** Why it is refused; none: it is not. */
  readonly faults: readonly RuleFault[]
  /** What the person who applies it should know. */
  readonly warnings: readonly string[]
}

/** What admission knows of the other resources. */
export type Known = {
  readonly check: RuleCheck
  /** The fleet as the API server has it now; undefined when there is none, or when that can't be told. */
  readonly fleet: (ref: Ref) => Promise<CheckedFleet | undefined>
  /** Rules of a fleet. */
  readonly rules: (fleet: Ref) => Promise<readonly Resource<AlertRuleSpec>[]>
  /** Words for the first of these filters that another fleet has claimed. */
  readonly conflict: Conflict
}

/** A rule that is new to its fleet. */
const roomFaults = async (known: Known, rule: Ref, fleet: Ref): Promise<readonly RuleFault[]> => {
  const others = (await known.rules(fleet)).filter(({ metadata }) => metadata.name !== rule.name)
  return isFull(others.length) ? [{ field: 'spec.fleet', message: fullText(fleet) }] : []
}

export const judgeRule = async (
  known: Known,
  rule: Ref,
  { before, after: spec }: { readonly before: AlertRuleSpec | undefined; readonly after: AlertRuleSpec },
): Promise<Verdict> => {
  const ref = fleetOf({ metadata: rule, spec })
  const fleet = await known.fleet(ref)
  const full = before?.fleet === spec.fleet ? [] : await roomFaults(known, rule, ref)
  const taken = topicFaults({ metadata: rule, spec }, { fleet, conflict: known.conflict })
  return { faults: [...full, ...taken, ...sizeFaults(spec), ...known.check(spec, fleet)], warnings: [] }
}

const MAX_WARNINGS = 8

/** Rules that could be judged for the fleet as it was and can't be for the fleet as it will be. */
const brokenRules = (
  { check }: Known,
  rules: readonly Resource<AlertRuleSpec>[],
  { before, after }: { readonly before: CheckedFleet | undefined; readonly after: CheckedFleet },
): readonly string[] => {
  const faultsFor = (rule: Resource<AlertRuleSpec>, fleet: CheckedFleet) => [
    ...ownTopicFaults(rule, fleet),
    ...check(rule.spec, fleet),
  ]
  const broken = rules
    .filter((rule) => before === undefined || faultsFor(rule, before).length === 0)
    .map((rule) => ({ rule: label(rule.metadata), text: faultText(faultsFor(rule, after)) }))
    .filter(({ text }) => text !== '')
    .map(({ rule, text }) => `rule ${rule} can't be judged for this fleet: ${text}`)
  const more = broken.length - MAX_WARNINGS
  return more > 0 ? [...broken.slice(0, MAX_WARNINGS), `and ${more} rules more`] : broken
}

/** A fleet whose topics are another's is refused; one that breaks rules is not: which of the two is to change is not ours to say. */
export const judgeFleet = async (
  known: Known,
  fleet: Ref,
  specs: { readonly before: DeviceFleetSpec | undefined; readonly after: DeviceFleetSpec },
): Promise<Verdict> => {
  const conflict = known.conflict(fleet, claimsOf(specs.after, fleet))
  return {
    faults: conflict === undefined ? [] : [{ field: 'spec.topics', message: conflict }],
    warnings: brokenRules(known, await known.rules(fleet), specs),
  }
}
