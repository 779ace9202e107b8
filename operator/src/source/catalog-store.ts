/** The catalog on disk: every change is written before anyone sees it, one at a time. */
import type { Ref } from '@fleetloom/crds/names'
import { keyOf, remove } from './catalog.ts'
import type { Kind, Metadata, Resource } from './source.ts'
import { type State, saveState } from './state-file.ts'

export type CatalogStore = {
  state(): State
  /** Applies `update` once earlier changes are on disk. Rejects, with nothing changed, when it can't be written. */
  change(update: (state: State) => State): Promise<void>
  /** Changes one resource, or removes it; an unknown one stays unknown. */
  edit(kind: Kind, ref: Ref, update: (known: Resource) => Resource | undefined): Promise<void>
  /** Resolves when all changes so far are over. */
  settled(): Promise<unknown>
}

const edited = (state: State, key: string, update: (known: Resource) => Resource | undefined): State => {
  const known = state.catalog.get(key)
  const next = known && update(known)
  if (known === next) return state
  const catalog = new Map(state.catalog)
  if (next) catalog.set(key, next)
  else catalog.delete(key)
  return { ...state, catalog }
}

export const createCatalogStore = (path: string, initial: State): CatalogStore => {
  let state = initial
  let queue: Promise<unknown> = Promise.resolve()
  const change: CatalogStore['change'] = (update) => {
    const changed = queue.then(async () => {
      const next = update(state)
      if (next.catalog === state.catalog && next.folder === state.folder) return
      await saveState(path, next)
      state = next
    })
    queue = changed.catch(() => undefined)
    return changed
  }
  return {
    state: () => state,
    change,
    edit: (kind, ref, update) => change((current) => edited(current, keyOf(kind, ref), update)),
    settled: () => queue,
  }
}

const withFinalizers = (known: Resource, finalizers: readonly string[]): Resource => {
  const metadata: Metadata = { ...known.metadata, finalizers }
  return { ...known, metadata }
}

/** The resource with a finalizer more; as in Kubernetes, one that is being deleted takes none. */
export const withFinalizer = (known: Resource, finalizer: string): Resource => {
  const { finalizers, deletionTimestamp } = known.metadata
  if (deletionTimestamp !== undefined || finalizers.includes(finalizer)) return known
  return withFinalizers(known, [...finalizers, finalizer])
}

/** The resource with a finalizer less; undefined when it was the last that held back its deletion. */
export const withoutFinalizer = (known: Resource, finalizer: string): Resource | undefined => {
  const { finalizers, deletionTimestamp } = known.metadata
  if (!finalizers.includes(finalizer)) return known
  const left = withFinalizers(
    known,
    finalizers.filter((one) => one !== finalizer),
  )
  return deletionTimestamp === undefined ? left : remove(left, deletionTimestamp)
}
