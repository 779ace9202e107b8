/**
 * Follows a collection of the API server for as long as it is asked to, as client-go's reflector does:
 *
 * 1. List in pages. What is listed is everything there is; what is not in it is gone.
 * 2. Watch from the list's version on, with bookmarks, which move the version on while nothing happens.
 * 3. When a watch ends, watch again from the last version seen. When that version is too old (410), list again.
 * 4. On any other fault wait, 0.8 s doubled up to 30 s, with jitter, and go on where it stood.
 *
 * A watch that says nothing for longer than the server's bookmarks come apart is taken for dead and ended.
 */
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { type KubeApi, KubeError } from './kube-api.ts'

export type KubeMetadata = {
  readonly namespace?: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation?: number
  readonly deletionTimestamp?: string
  readonly finalizers?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
}

export type KubeObject = { readonly metadata: KubeMetadata }

export type Watcher<T extends KubeObject> = {
  /** All there is; what was known and is not among these is gone. */
  readonly onList: (objects: readonly T[]) => void
  readonly onPut: (object: T) => void
  readonly onDelete: (object: T) => void
}

export type WatchOptions = {
  readonly api: KubeApi
  /** Path of the collection. */
  readonly path: string
  readonly log: Logger
  readonly pageSize?: number
  /** Longest silence of a watch. The server sends a bookmark about every minute. */
  readonly silenceMs?: number
}

export type Watch = AsyncDisposable & {
  /** Resolves with the first list. */
  readonly synced: Promise<void>
  /** ms since the server was last heard of: an event, a bookmark, a list. */
  silentMs(): number
}

type List<T> = { readonly metadata: { resourceVersion: string; continue?: string }; readonly items: readonly T[] }

type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: T }
  | { readonly type: 'ERROR'; readonly object: { code?: number; reason?: string; message?: string } }

const PAGE_SIZE = 500
const SILENCE_MS = 100_000
const WATCH_SECONDS = { least: 280, spread: 20 } as const
const BACKOFF = { firstMs: 800, maxMs: 30_000 } as const
/** A watch that ended sooner, having said nothing, counts as a fault: else a broken server is asked in a loop. */
const SHORT_MS = 1_000
const MAX_LINE_CHARS = 16 * 1024 * 1024

const isGone = (error: unknown): boolean => error instanceof KubeError && error.status === 410

/** The lines of a stream. */
async function* linesOf(stream: IncomingMessage): AsyncGenerator<string> {
  let rest = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream) {
    const parts = (rest + (chunk as string)).split('\n')
    rest = parts.pop() ?? ''
    if (rest.length > MAX_LINE_CHARS) throw new Error(`a watch event is longer than ${MAX_LINE_CHARS} characters`)
    yield* parts
  }
}

/** A signal that is raised when `touch` was not called for so long. */
const silence = (ms: number, stopped: AbortSignal) => {
  const dead = new AbortController()
  const timer = setTimeout(() => dead.abort(new Error(`nothing heard for ${ms / 1000} s`)), ms)
  return {
    signal: AbortSignal.any([dead.signal, stopped]),
    touch: () => void timer.refresh(),
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

class Follower<T extends KubeObject> {
  readonly #options: WatchOptions
  readonly #watcher: Watcher<T>
  readonly #stopped: AbortSignal
  #version: string | undefined
  #failures = 0
  heardAtMs = performance.now()

  constructor(options: WatchOptions, watcher: Watcher<T>, stopped: AbortSignal) {
    this.#options = options
    this.#watcher = watcher
    this.#stopped = stopped
  }

  async run(onSynced: () => void): Promise<void> {
    while (!this.#stopped.aborted) {
      try {
        this.#version ??= await this.#list()
        onSynced()
        await this.#watch(this.#version)
      } catch (error) {
        if (this.#stopped.aborted) return
        await this.#recover(error)
      }
    }
  }

  #heard(): void {
    this.heardAtMs = performance.now()
    this.#failures = 0
  }

  async #recover(error: unknown): Promise<void> {
    const { log, path } = this.#options
    this.#failures++
    if (isGone(error)) {
      this.#version = undefined
      log.info({ path }, 'the watch is too far behind: listing again')
      if (this.#failures === 1) return
    } else log.warn({ path, error: messageOf(error) }, 'lost the API server: trying again')
    const fullMs = Math.min(BACKOFF.maxMs, BACKOFF.firstMs * 2 ** (this.#failures - 1))
    const waitMs = fullMs / 2 + (fullMs / 2) * Math.random()
    await sleep(waitMs, undefined, { signal: this.#stopped }).catch(() => undefined)
  }

  async #list(): Promise<string> {
    const { api, path, pageSize = PAGE_SIZE } = this.#options
    const items: T[] = []
    for (let from = ''; ; ) {
      const query = { limit: pageSize, ...(from !== '' && { continue: from }) }
      const page = await api.request<List<T>>({ method: 'GET', path, query, signal: this.#stopped })
      items.push(...page.items)
      from = page.metadata.continue ?? ''
      if (from !== '') continue
      this.#watcher.onList(items)
      this.#heard()
      return page.metadata.resourceVersion
    }
  }

  async #watch(resourceVersion: string): Promise<void> {
    const { api, path, silenceMs = SILENCE_MS } = this.#options
    const startedMs = performance.now()
    using quiet = silence(silenceMs, this.#stopped)
    const timeoutSeconds = WATCH_SECONDS.least + Math.floor(WATCH_SECONDS.spread * Math.random())
    const query = { watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds }
    const stream = await api.stream(path, query, quiet.signal)
    let heard = false
    for await (const line of linesOf(stream)) {
      quiet.touch()
      this.#take(JSON.parse(line) as WatchEvent<T>)
      this.#heard()
      heard = true
    }
    if (!heard && performance.now() - startedMs < SHORT_MS) throw new Error('the watch ended at once')
  }

  #take({ type, object }: WatchEvent<T>): void {
    if (type === 'ERROR') throw new KubeError(object.code ?? 0, object)
    if (type === 'ADDED' || type === 'MODIFIED') this.#watcher.onPut(object)
    if (type === 'DELETED') this.#watcher.onDelete(object)
    this.#version = object.metadata.resourceVersion
  }
}

/** Starts to follow and returns at once. */
export const follow = <T extends KubeObject>(options: WatchOptions, watcher: Watcher<T>): Watch => {
  const stop = new AbortController()
  const synced = Promise.withResolvers<void>()
  const follower = new Follower(options, watcher, stop.signal)
  const running = follower.run(synced.resolve)
  return {
    synced: synced.promise,
    silentMs: () => performance.now() - follower.heardAtMs,
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await running
    },
  }
}
