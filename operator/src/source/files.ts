/**
 * The standalone source: resources from YAML files in a folder.
 *
 * It is the API server of standalone mode. Manifests are judged by the schemas and rules of the CRDs; what is refused is
 * listed by `refusals()`, and the last good version stays. Uids, generations, finalizers, deletions and statuses are kept in
 * the state file. Every change is on disk before anyone hears of it, one change at a time.
 */
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { label, type Ref } from '@fleetloom/crds/names'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { type Catalog, keyOf, updateCatalog } from './catalog.ts'
import { type CatalogStore, createCatalogStore, withFinalizer, withoutFinalizer } from './catalog-store.ts'
import { createEventRing, type RecordedEvent } from './event-ring.ts'
import { readFolder } from './folder.ts'
import { type ManifestFile, type Reading, readManifests } from './manifests.ts'
import { createRefusalList, type RefusalList, refusalText } from './refusal-list.ts'
import type { Kind, Refusal, Resource, Source } from './source.ts'
import { loadState } from './state-file.ts'
import { watchFolder } from './watch-folder.ts'

export type FilesSourceOptions = {
  /** Folder of manifests. */
  readonly folder: string
  /** File that keeps what an API server would; made on first use. */
  readonly stateFile: string
  readonly log: Logger
  readonly now?: () => Date
  /** Time between looks at the folder when nothing seems to change. */
  readonly rescanMs?: number
  /** Quiet time awaited after a change. */
  readonly settleMs?: number
  readonly maxEvents?: number
}

export type FilesSource = Source & {
  /** Events recorded since the start, oldest first; the newest are kept. */
  events(): readonly RecordedEvent[]
}

type Listener = (kind: Kind, ref: Ref) => void

const emptyMount = (folder: string): Refusal => ({
  file: folder,
  line: 1,
  field: '',
  message: 'is empty and not the folder that was here before (not mounted?); nothing is removed',
})

type ScanParts = {
  readonly folder: string
  readonly store: CatalogStore
  readonly refusals: RefusalList
  readonly now: () => Date
  readonly notify: (changed: Iterable<Resource>) => void
}

const resourcesOf = (keys: readonly string[], ...catalogs: readonly Catalog[]): Resource[] =>
  keys.flatMap((key) => catalogs.map((catalog) => catalog.get(key)).find((found) => found !== undefined) ?? [])

/** Reads manifests again only when a file changed, or which resources they are changes of. */
const createReader = () => {
  let last: { files: readonly ManifestFile[]; uids: string; reading: Reading } | undefined
  return (files: readonly ManifestFile[], catalog: Catalog): Reading => {
    const alive = [...catalog].filter(([, { metadata }]) => metadata.deletionTimestamp === undefined)
    const uids = alive.map(([, { metadata }]) => metadata.uid).join()
    if (last?.uids === uids && isDeepStrictEqual(last.files, files)) return last.reading
    const specs = new Map(alive.map(([key, { spec }]) => [key, spec]))
    last = { files, uids, reading: readManifests(files, (kind, ref) => specs.get(keyOf(kind, ref))) }
    return last.reading
  }
}

/** One look at the folder. Tells whether something is missing, so that a second look is due. */
const createScan = ({ folder, store, refusals, now, notify }: ScanParts) => {
  const readAgain = createReader()
  let missed: ReadonlySet<string> = new Set()
  return async (): Promise<{ identity: string; missing: boolean }> => {
    const found = await readFolder(folder)
    const before = store.state()
    const foreign = found.empty && found.identity !== '' && before.folder !== '' && before.folder !== found.identity
    const read = readAgain(found.files, before.catalog)
    const refused = [...found.refusals, ...(foreign ? [emptyMount(folder)] : []), ...read.refusals]
    const scan = { accepted: read.accepted, refusals: refused, whole: !foreign }
    let changed: readonly Resource[] = []
    let missing: readonly string[] = []
    await store.change((state) => {
      const stamp = { now: now().toISOString(), uid: randomUUID }
      const update = updateCatalog(state.catalog, scan, missed, stamp)
      missing = update.missing
      changed = resourcesOf(update.changed, update.catalog, state.catalog)
      const identity = foreign || found.identity === '' ? state.folder : found.identity
      return { folder: identity, catalog: update.changed.length > 0 ? update.catalog : state.catalog }
    })
    missed = new Set(missing)
    refusals.replace(refused)
    notify(changed)
    return { identity: found.identity, missing: missing.length > 0 }
  }
}

const refOf = ({ metadata: { namespace, name } }: Resource): Ref => ({ namespace, name })

const byLabel = (a: Resource, b: Resource): number => (label(a.metadata) < label(b.metadata) ? -1 : 1)

type Access = Pick<Source, 'get' | 'list' | 'putStatus' | 'addFinalizer' | 'removeFinalizer'>

const createAccess = (store: CatalogStore, onRemoved: (removed: Resource) => void): Access => {
  const find = (kind: Kind, ref: Ref): Resource | undefined => store.state().catalog.get(keyOf(kind, ref))
  return {
    get: async (kind, ref) => find(kind, ref),
    list: async (kind) => [...store.state().catalog.values()].filter((one) => one.kind === kind).sort(byLabel),
    putStatus: (kind, ref, status) => store.edit(kind, ref, (known) => ({ ...known, status })),
    addFinalizer: (kind, ref, finalizer) => store.edit(kind, ref, (known) => withFinalizer(known, finalizer)),
    removeFinalizer: async (kind, ref, finalizer) => {
      const before = find(kind, ref)
      await store.edit(kind, ref, (known) => withoutFinalizer(known, finalizer))
      if (before && !find(kind, ref)) onRemoved(before)
    },
  }
}

/**
 * Opens the source; nothing is watched before `start`.
 * @throws StateFileError when the state file exists and can't be used.
 */
export const createFilesSource = async (options: FilesSourceOptions): Promise<FilesSource> => {
  const { folder, stateFile, log, now = () => new Date(), rescanMs = 10_000, settleMs = 150 } = options
  const store = createCatalogStore(stateFile, await loadState(stateFile))
  const ring = createEventRing(options.maxEvents ?? 1000, now)
  let listener: Listener | undefined
  const notify = (changed: Iterable<Resource>) => {
    for (const resource of changed) listener?.(resource.kind, refOf(resource))
  }
  const refusals = createRefusalList(log, (refusal, refused) => {
    const { kind, ...ref } = refusal.resource
    if (refused) ring.record({ kind, ref }, { type: 'Warning', reason: 'Invalid', message: refusalText(refusal) })
    notify(resourcesOf([keyOf(kind, ref)], store.state().catalog))
  })
  const look = createScan({ folder, store, refusals, now, notify })
  const scan = async (): Promise<string | undefined> => {
    try {
      const { identity, missing } = await look()
      if (missing) watcher.soon()
      return identity
    } catch (error) {
      log.error({ folder, error: messageOf(error) }, 'the folder of manifests could not be taken over; trying again')
      return undefined
    }
  }
  const watcher = watchFolder({ folder, rescanMs, settleMs, log, scan })
  return {
    ...createAccess(store, (removed) => {
      notify([removed])
      watcher.soon()
    }),
    start: async (onChange) => {
      await watcher.now()
      listener = onChange
      notify(store.state().catalog.values())
    },
    event: async (kind, ref, event) => ring.record({ kind, ref }, event),
    events: ring.list,
    refusals: refusals.list,
    [Symbol.asyncDispose]: async () => {
      listener = undefined
      await watcher[Symbol.asyncDispose]()
      await store.settled()
    },
  }
}
