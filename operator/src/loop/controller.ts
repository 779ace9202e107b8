/** The loop: every kind's resources in one queue, changes at once, everything again at each resync. */
import { label, type Ref } from '@fleetloom/crds/names'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Registry } from 'prom-client'
import type { Kind, Source } from '../source/source.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Next } from './errors.ts'
import type { KindDefinition } from './kind.ts'
import { createLoopMetrics } from './metrics.ts'
import { type LoopContext, reconciler } from './reconcile.ts'
import { WorkQueue } from './work-queue.ts'

export type Controller = AsyncDisposable & {
  /** Looks at a resource soon: at once, or after a time in which further requests collapse. */
  enqueue(kind: Kind, ref: Ref, afterMs?: number): void
  start(): Promise<void>
}

export type ControllerOptions = {
  readonly source: Source
  readonly log: Logger
  readonly registry: Registry
  readonly workers: number
  /** Time between looks at every resource: within it, and the time a look takes, drift is seen. */
  readonly resyncMs: number
  readonly clock?: Clock
  /** Called at each resync, before the resources. */
  readonly onResync?: () => Promise<void>
}

type ReadyKind = {
  readonly kind: Kind
  readonly reconcile: (ref: Ref) => Promise<Next>
  readonly related: KindDefinition<never, never>['related']
}
type AnyKind = (context: LoopContext) => ReadyKind

/** A kind, ready to be given to a controller. */
export const kindOf =
  <Spec, Facts>(definition: KindDefinition<Spec, Facts>): AnyKind =>
  (context) => ({
    kind: definition.kind,
    reconcile: reconciler(context, definition),
    related: definition.related,
  })

const keyOf = (kind: Kind, { namespace, name }: Ref): string => `${kind}/${namespace}/${name}`

const resourceOf = (key: string): readonly [Kind, Ref] => {
  const [kind, namespace, name] = key.split('/') as [Kind, string, string]
  return [kind, { namespace, name }]
}

export const createController = (options: ControllerOptions, ...kinds: readonly AnyKind[]): Controller => {
  const { source, log, registry, workers, resyncMs, clock = systemClock, onResync } = options
  const metrics = createLoopMetrics(registry, () => queue.depth)
  const ready = kinds.map((kind) => kind({ source, log, clock, metrics }))
  const reconcilers = new Map(ready.map(({ kind, reconcile }) => [kind, reconcile]))
  const process = async (key: string): Promise<Next> => {
    const [kind, ref] = resourceOf(key)
    try {
      return (await reconcilers.get(kind)?.(ref)) ?? { kind: 'done' }
    } catch (error) {
      log.error({ key, err: error }, `reconcile failed: ${messageOf(error)}`)
      return { kind: 'backoff' }
    }
  }
  const queue = new WorkQueue({ workers, clock, process })
  const enqueue: Controller['enqueue'] = (kind, ref, afterMs = 0) =>
    afterMs > 0 ? queue.addAfter(keyOf(kind, ref), afterMs) : queue.add(keyOf(kind, ref))
  const resync = async (): Promise<void> => {
    try {
      await onResync?.()
      for (const kind of reconcilers.keys()) for (const { metadata } of await source.list(kind)) enqueue(kind, metadata)
    } catch (error) {
      log.warn(`resync failed: ${messageOf(error)}`)
    }
    cancel = clock.after(resyncMs, () => void resync())
  }
  const onChange = async (changed: Kind, ref: Ref): Promise<void> => {
    enqueue(changed, ref)
    try {
      for (const { kind, related } of ready)
        for (const other of (await related?.(changed, ref)) ?? []) enqueue(kind, other)
    } catch (error) {
      log.warn(`what is related to ${changed} ${label(ref)} waits for the next resync: ${messageOf(error)}`)
    }
  }
  let cancel = (): void => undefined
  return {
    enqueue,
    start: async () => {
      await onResync?.()
      await source.start((kind, ref) => void onChange(kind, ref))
      cancel = clock.after(resyncMs, () => void resync())
    },
    [Symbol.asyncDispose]: async () => {
      cancel()
      await queue[Symbol.asyncDispose]()
    },
  }
}
