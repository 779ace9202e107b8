/**
 * The source on Kubernetes. Both kinds are followed and held in memory, so reads cost nothing. Status and finalizers are
 * written with server-side apply, each only after `beforeWrite` allowed it; the answer is known at once, without waiting for
 * the watch to tell.
 */
import type { Ref } from '@fleetloom/crds/names'
import type { Logger } from '@fleetloom/shared/process/logger'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Kind, Source, Status } from '../source.ts'
import { Cache } from './cache.ts'
import { createEventRecorder } from './event-recorder.ts'
import { APPLY, JSON_PATCH, type KubeApi, KubeError, type Query } from './kube-api.ts'
import { applied, type CustomObject, collectionPath, objectPath } from './objects.ts'
import { follow, type Watch } from './watch.ts'

export type KubeSourceOptions = {
  readonly api: KubeApi
  readonly log: Logger
  readonly registry: Registry
  /** Name of this replica, for events. */
  readonly instance: string
  /** Called before each write; throws when we may not write. */
  readonly beforeWrite: () => void
}

const KINDS: readonly Kind[] = ['DeviceFleet', 'AlertRule']
const MANAGER = 'fleetloom-operator'

type Patch = { readonly query?: Query; readonly contentType: string; readonly body: unknown }

/** Gone, or another of the same name (its uid differs): there is nothing to write to. */
const isGone = (error: unknown): boolean => error instanceof KubeError && [404, 409].includes(error.status)

const registerSilence = (registry: Registry, watches: ReadonlyMap<Kind, Watch>): void => {
  new Gauge({
    name: 'fleetloom_operator_watch_silent_seconds',
    help: 'Time since the API server was last heard of: an event, a bookmark or a list. Bookmarks come every minute.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      for (const [kind, watch] of watches) this.set({ kind }, watch.silentMs() / 1000)
    },
  })
}

type Writes = Pick<Source, 'putStatus' | 'addFinalizer' | 'removeFinalizer'>

const createWrites = (caches: ReadonlyMap<Kind, Cache>, { api, beforeWrite }: KubeSourceOptions): Writes => {
  const patch = async (kind: Kind, path: string, request: Patch): Promise<void> => {
    beforeWrite()
    try {
      caches.get(kind)?.onAnswer(await api.request<CustomObject>({ method: 'PATCH', path, ...request }))
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }
  const known = (kind: Kind, ref: Ref) => caches.get(kind)?.get(ref)
  return {
    putStatus: async (kind, ref, status: Status) => {
      const resource = known(kind, ref)
      if (!resource) return
      const query = { fieldManager: `${MANAGER}-status`, force: true }
      const body = applied(resource, { status })
      await patch(kind, `${objectPath(kind, ref)}/status`, { query, contentType: APPLY, body })
    },
    addFinalizer: async (kind, ref, finalizer) => {
      const resource = known(kind, ref)
      if (!resource) return
      const query = { fieldManager: MANAGER, force: true }
      const body = applied(resource, { metadata: { finalizers: [finalizer] } })
      await patch(kind, objectPath(kind, ref), { query, contentType: APPLY, body })
    },
    removeFinalizer: async (kind, ref, finalizer) => {
      const resource = known(kind, ref)
      const index = resource?.metadata.finalizers.indexOf(finalizer) ?? -1
      if (!resource || index < 0) return
      const at = `/metadata/finalizers/${index}`
      const body = [
        { op: 'test', path: '/metadata/uid', value: resource.metadata.uid },
        { op: 'test', path: at, value: finalizer },
        { op: 'remove', path: at },
      ]
      await patch(kind, objectPath(kind, ref), { contentType: JSON_PATCH, body })
    },
  }
}

/** Starts to follow the resources; `start` waits until they are known. */
export const createKubeSource = (options: KubeSourceOptions): Source => {
  const { api, log, registry } = options
  const dropped = new Counter({
    name: 'fleetloom_operator_events_dropped_total',
    help: "Events that were not recorded: above a resource's budget, or refused.",
    registers: [registry],
  })
  const recorder = createEventRecorder({ ...options, onDropped: () => dropped.inc() })
  const caches = new Map(KINDS.map((kind) => [kind, new Cache(kind)]))
  const watches = new Map(
    [...caches].map(([kind, cache]) => [kind, follow({ api, path: collectionPath(kind), log }, cache)]),
  )
  registerSilence(registry, watches)
  return {
    ...createWrites(caches, options),
    start: async (onChange) => {
      await Promise.all([...watches.values()].map(({ synced }) => synced))
      for (const [kind, cache] of caches) {
        cache.onChange = onChange
        for (const { metadata } of cache.list()) onChange(kind, metadata)
      }
    },
    get: async (kind, ref) => caches.get(kind)?.get(ref),
    list: async (kind) => caches.get(kind)?.list() ?? [],
    event: async (kind, ref, event) => {
      const resource = caches.get(kind)?.get(ref)
      if (resource) recorder.record(resource, event)
    },
    refusals: () => [],
    [Symbol.asyncDispose]: async () => {
      for (const watch of watches.values()) await watch[Symbol.asyncDispose]()
      await recorder[Symbol.asyncDispose]()
    },
  }
}
