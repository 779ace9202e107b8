/**
 * One reconcile of one resource, the same for every kind: get → suspend → finalizer → gather → steps → conditions → status
 * (written only if it changed) → events. Removal runs the kind's removal steps instead, and takes the finalizer off last; it
 * never gives up by itself, but a person can make it, by an annotation that names the back-end that is gone.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Condition, ConditionType } from '@fleetloom/crds/conditions'
import { label, type Ref } from '@fleetloom/crds/names'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Resource, Source, Status } from '../source/source.ts'
import type { Clock } from './clock.ts'
import { changedConditions, foldConditions, type Outcome, onlyReady } from './conditions.ts'
import { type Next, nextAfter, reasonOf, Stalling, Waiting } from './errors.ts'
import type { Extras, KindDefinition, Step, Work } from './kind.ts'
import type { LoopMetrics } from './metrics.ts'
import { Blocked, runRemovalStep } from './removal.ts'

export const FINALIZER = 'fleetloom.io/operator'

export type LoopContext = {
  readonly source: Source
  readonly log: Logger
  readonly clock: Clock
  readonly metrics: LoopMetrics
}

type Suspendable = { readonly suspend?: boolean }
type Ran = {
  readonly outcomes: readonly Outcome[]
  readonly faults: readonly unknown[]
  readonly againMs: readonly number[]
}

const workOf = <Spec>(resource: Resource<Spec>, { source, log, metrics }: LoopContext): Work<Spec> => {
  const { kind, metadata, status } = resource
  return {
    resource,
    log: log.child({ kind, namespace: metadata.namespace, name: metadata.name }),
    previous: (type) => status?.conditions.find((one) => one.type === type),
    event: (event) => source.event(kind, metadata, event),
    wrote: metrics.wrote,
  }
}

const heldBy = <Spec, Facts>(step: Step<Spec, Facts>, outcomes: readonly Outcome[]): ConditionType | undefined =>
  step.after.find((needed) => outcomes.some(({ condition, result }) => condition === needed && result.is !== 'done'))

const resultOf = (error: unknown): Outcome['result'] => ({
  is: error instanceof Waiting && error.told !== 'all' ? 'waiting' : 'failed',
  reason: reasonOf(error),
  message: messageOf(error),
})

/** Runs the steps in order; one that fails holds back only those that come after it by name. */
const runSteps = async <Spec, Facts>(
  { steps }: KindDefinition<Spec, Facts>,
  work: Work<Spec>,
  facts: Facts,
): Promise<Ran> => {
  const outcomes: Outcome[] = []
  const faults: unknown[] = []
  const againMs: number[] = []
  for (const step of steps) {
    const { condition } = step
    const by = heldBy(step, outcomes)
    if (by !== undefined) {
      outcomes.push({ condition, result: { is: 'held', by } })
      continue
    }
    try {
      const again = await step.run(work, facts)
      if (again) againMs.push(again.againMs)
      outcomes.push({ condition, result: { is: 'done' } })
    } catch (error) {
      faults.push(error)
      outcomes.push({ condition, result: resultOf(error) })
    }
  }
  return { outcomes, faults, againMs }
}

const eventOf = ({ type, status, reason, message }: Condition) => ({
  type: status === 'True' && reason !== 'Observed' ? ('Normal' as const) : ('Warning' as const),
  reason,
  message: `${type}: ${message}`,
})

/** Writes the status if it changed and tells of what flipped. `Ready` repeats another condition, so only its good news is told. */
const writeStatus = async <Spec>(context: LoopContext, work: Work<Spec>, status: Status): Promise<void> => {
  const { kind, metadata, status: before } = work.resource
  if (isDeepStrictEqual(before, status)) return
  await context.source.putStatus(kind, metadata, status)
  for (const condition of changedConditions(before?.conditions ?? [], status.conditions)) {
    const isNews = condition.type === 'Ready' ? condition.status === 'True' : condition.status !== 'Unknown'
    const isProgress = condition.type !== 'Ready' && condition.reason === 'Converged'
    if (isNews && !isProgress) await work.event(eventOf(condition))
  }
}

const stampOf = <Spec>({ resource }: Work<Spec>, { clock }: LoopContext) => ({
  previous: resource.status?.conditions ?? [],
  generation: resource.metadata.generation,
  nowMs: clock.now(),
})

const putReady = <Spec>(
  context: LoopContext,
  work: Work<Spec>,
  ready: Parameters<typeof onlyReady>[0],
): Promise<void> =>
  writeStatus(context, work, {
    ...work.resource.status,
    observedGeneration: work.resource.metadata.generation,
    conditions: onlyReady(ready, stampOf(work, context)),
  })

const logFaults = <Spec>({ log }: Work<Spec>, faults: readonly unknown[]): void => {
  for (const error of faults) {
    const isExpected = error instanceof Waiting || error instanceof Stalling
    if (isExpected) log.debug({ reason: error.reason }, error.message)
    else log.warn({ err: error }, messageOf(error))
  }
}

const remove = async <Spec, Facts>(
  context: LoopContext,
  definition: KindDefinition<Spec, Facts>,
  work: Work<Spec>,
): Promise<Next> => {
  const { kind, metadata } = work.resource
  if (!metadata.finalizers.includes(FINALIZER)) return { kind: 'done' }
  try {
    const facts = await definition.gather(work)
    for (const step of definition.removal ?? []) await runRemovalStep(step, work, facts)
    await work.event({ type: 'Normal', reason: 'Removed', message: `${kind} ${label(metadata)} is removed` })
    await context.source.removeFinalizer(kind, metadata, FINALIZER)
    return { kind: 'done' }
  } catch (error) {
    const fault = error instanceof Blocked ? error.cause : error
    const wayOut = error instanceof Blocked ? error.wayOutAt(context.clock.now()) : ''
    logFaults(work, [fault])
    context.metrics.failed(kind, reasonOf(fault))
    await putReady(context, work, { reason: reasonOf(fault), message: `being removed: ${messageOf(fault)}${wayOut}` })
    return nextAfter([fault])
  }
}

const NO_EXTRAS: Extras = { observed: [] }

/** Whether our finalizer is there, put there now if need be. Without it a resource that is deleted meanwhile would leave all behind. */
const isHeld = async ({ source }: LoopContext, { kind, metadata }: Resource): Promise<boolean> => {
  if (metadata.finalizers.includes(FINALIZER)) return true
  await source.addFinalizer(kind, metadata, FINALIZER)
  const now = (await source.get(kind, metadata))?.metadata
  return now?.uid === metadata.uid && now.finalizers.includes(FINALIZER)
}

const update = async <Spec, Facts>(
  context: LoopContext,
  definition: KindDefinition<Spec, Facts>,
  work: Work<Spec>,
): Promise<Next> => {
  const { metadata, kind } = work.resource
  if (definition.removal && !(await isHeld(context, work.resource))) return { kind: 'done' }
  const facts = await definition.gather(work)
  const ran = await runSteps(definition, work, facts)
  logFaults(work, ran.faults)
  if (ran.faults.length > 0 && ran.faults.every((fault) => fault instanceof Waiting && fault.told === 'nothing'))
    return nextAfter(ran.faults)
  for (const fault of ran.faults) context.metrics.failed(kind, reasonOf(fault))
  const { observed, ...shown } = (await definition.extras?.(work, facts)) ?? NO_EXTRAS
  const conditions = foldConditions({ outcomes: ran.outcomes, observed, ...stampOf(work, context) })
  await writeStatus(context, work, { observedGeneration: metadata.generation, conditions, ...shown })
  const next = nextAfter(ran.faults)
  return next.kind === 'done' && ran.againMs.length > 0 ? { kind: 'after', ms: Math.min(...ran.againMs) } : next
}

/** A fault outside the steps: nothing of the resource could even be read. */
const couldNotStart = async <Spec>(context: LoopContext, work: Work<Spec>, error: unknown): Promise<Next> => {
  logFaults(work, [error])
  context.metrics.failed(work.resource.kind, reasonOf(error))
  await putReady(context, work, { reason: reasonOf(error), message: messageOf(error) }).catch((fault) =>
    work.log.warn(`status not written: ${messageOf(fault)}`),
  )
  return nextAfter([error])
}

/** Reconciles one resource of a kind. Never rejects. */
export const reconciler =
  <Spec, Facts>(context: LoopContext, definition: KindDefinition<Spec, Facts>) =>
  async (ref: Ref): Promise<Next> => {
    const started = context.clock.now()
    const resource = (await context.source.get(definition.kind, ref)) as Resource<Spec & Suspendable> | undefined
    if (!resource) return { kind: 'done' }
    const work = workOf<Spec & Suspendable>(resource, context)
    try {
      if (resource.metadata.deletionTimestamp !== undefined) return await remove(context, definition, work)
      if (!resource.spec.suspend || definition.carriesSuspend) return await update(context, definition, work)
      await putReady(context, work, { reason: 'Suspended', message: 'spec.suspend is true: nothing is converged' })
      return { kind: 'done' }
    } catch (error) {
      return couldNotStart(context, work, error)
    } finally {
      context.metrics.reconciled(definition.kind, (context.clock.now() - started) / 1000)
    }
  }
