/** What tests of the loop share: a clock moved by hand, a source in memory, and a fleet-like resource. */
import { setImmediate } from 'node:timers/promises'
import type { Condition } from '@fleetloom/crds/conditions'
import type { Ref } from '@fleetloom/crds/names'
import { createLogger } from '@fleetloom/shared/process/logger'
import { Registry } from 'prom-client'
import type { Kind, Resource, Source, SourceEvent, Status } from '../source/source.ts'
import type { Clock } from './clock.ts'
import { createLoopMetrics } from './metrics.ts'
import type { LoopContext } from './reconcile.ts'

type Timer = { readonly dueMs: number; readonly task: () => void }

/** Starts at `2026-01-01T00:00:00Z`. */
export const manualClock = (): Clock & { advance(ms: number): Promise<void>; settle(): Promise<void> } => {
  let nowMs = Date.parse('2026-01-01T00:00:00Z')
  const timers = new Set<Timer>()
  const settle = async () => {
    for (let i = 0; i < 5; i++) await setImmediate()
  }
  return {
    now: () => nowMs,
    after: (ms, task) => {
      const timer = { dueMs: nowMs + ms, task }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    settle,
    advance: async (ms) => {
      nowMs += ms
      for (const timer of [...timers].filter(({ dueMs }) => dueMs <= nowMs)) {
        timers.delete(timer)
        timer.task()
      }
      await settle()
    },
  }
}

type Stored = Resource<{ suspend?: boolean }>

/** A source of one resource that keeps what is written to it. */
export const memorySource = (initial: Stored) => {
  let resource: Stored | undefined = initial
  const events: SourceEvent[] = []
  const writes: string[] = []
  const edit = (what: string, change: (known: Stored) => Stored | undefined) => {
    writes.push(what)
    resource = resource && change(resource)
  }
  const withFinalizers = (known: Stored, finalizers: readonly string[]): Stored => ({
    ...known,
    metadata: { ...known.metadata, finalizers },
  })
  const source: Source = {
    start: async () => undefined,
    get: async () => resource,
    list: async () => (resource ? [resource] : []),
    putStatus: async (_: Kind, __: Ref, status: Status) => edit('status', (known) => ({ ...known, status })),
    addFinalizer: async (_, __, finalizer) =>
      edit('finalizer', (known) => withFinalizers(known, [...known.metadata.finalizers, finalizer])),
    removeFinalizer: async () => edit('removed', () => undefined),
    event: async (_, __, event) => void events.push(event),
    refusals: () => [],
    [Symbol.asyncDispose]: async () => undefined,
  }
  const change = (patch: (known: Stored) => Stored): void => {
    resource = resource && patch(resource)
  }
  return { source, events, writes, change, now: () => resource }
}

export const aResource = (change: Partial<Stored['metadata']> = {}, spec: Stored['spec'] = {}): Stored => ({
  kind: 'DeviceFleet',
  metadata: { namespace: 'ns', name: 'fleet', uid: 'u1', generation: 1, finalizers: [], annotations: {}, ...change },
  spec,
})

export const aContext = (source: Source, clock: Clock): LoopContext => ({
  source,
  clock,
  log: createLogger('test', 'fatal'),
  metrics: createLoopMetrics(new Registry(), () => 0),
})

export const brief = (conditions: readonly Condition[] = []): string[] =>
  conditions.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`)
