/**
 * What a kind brings to the loop: steps, in order. A step brings one condition about; it throws what stands in the way. It
 * knows nothing of status, finalizers, retries or metrics.
 */
import type { Condition, ConditionType, ObservedType } from '@fleetloom/crds/conditions'
import type { Ref } from '@fleetloom/crds/names'
import type { Logger } from '@fleetloom/shared/process/logger'
import type { Kind, Resource, SourceEvent, Status } from '../source/source.ts'

/** What a removal may have to wait for. */
export const BACK_ENDS = ['nats', 'broker', 'database', 'ingest', 'writer'] as const
export type BackEnd = (typeof BACK_ENDS)[number]

/** One resource at work. */
export type Work<Spec> = {
  readonly resource: Resource<Spec>
  readonly log: Logger
  /** The condition as the status last had it. */
  readonly previous: (type: ConditionType) => Condition | undefined
  readonly event: (event: SourceEvent) => Promise<void>
  /** Counts a write to a target, and a repair when it put right what was changed by hand. */
  readonly wrote: (target: string, repair: boolean) => void
}

/** A step that is through, but wants the resource looked at again. */
export type Again = { readonly againMs: number }

export type Step<Spec, Facts> = {
  readonly condition: ConditionType
  /** Conditions that must hold before this step may run. */
  readonly after: readonly ConditionType[]
  readonly run: (work: Work<Spec>, facts: Facts) => Promise<Again | undefined>
}

export type RemovalStep<Spec, Facts> = {
  /** What it can't do without; a person may give up on it. */
  readonly needs: readonly BackEnd[]
  readonly run: (work: Work<Spec>, facts: Facts) => Promise<void>
}

export type Observed = { readonly type: ObservedType; readonly message: string }

/** What the status shows beside the conditions of steps. */
export type Extras = Omit<Status, 'observedGeneration' | 'conditions'> & { readonly observed: readonly Observed[] }

export type KindDefinition<Spec, Facts> = {
  readonly kind: Kind
  /** `spec.suspend` is for the steps to carry on: they run. Otherwise the loop leaves a suspended resource as it is. */
  readonly carriesSuspend?: true
  /** Resources of this kind to look at again when one of any kind changed. */
  readonly related?: (changed: Kind, ref: Ref) => Promise<readonly Ref[]>
  /** All reads that several steps share. */
  readonly gather: (work: Work<Spec>) => Promise<Facts>
  readonly steps: readonly Step<Spec, Facts>[]
  /** What the status shows besides the steps' conditions. */
  readonly extras?: (work: Work<Spec>, facts: Facts) => Promise<Extras>
  /** Steps of removal, each confirmed before the next. Present where the resource owns something. */
  readonly removal?: readonly RemovalStep<Spec, Facts>[]
}
