/**
 * Calls `scan` soon after something changed in a folder, and every `rescanMs` in any case: change events can be lost, and a
 * folder can be replaced by another. A burst of changes, as editors make when they save, is awaited until it is quiet for
 * `settleMs`. Scans never overlap.
 */
import { type FSWatcher, watch } from 'node:fs'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'

export type WatchOptions = {
  readonly folder: string
  readonly rescanMs: number
  readonly settleMs: number
  readonly log: Logger
  /** Looks at the folder; returns what tells it from another one under the same path, or undefined when it failed. Never throws. */
  readonly scan: () => Promise<string | undefined>
}

export type FolderWatch = AsyncDisposable & {
  /** Scans once things are quiet. */
  soon(): void
  /** Scans now; resolves afterwards. */
  now(): Promise<void>
}

type Watched = { readonly watcher: FSWatcher; readonly identity: string }

const tryWatch = (folder: string, onEvent: () => void, onFault: (error: unknown) => void): FSWatcher | undefined => {
  try {
    return watch(folder, onEvent).on('error', onFault)
  } catch (error) {
    onFault(error)
    return undefined
  }
}

export const watchFolder = ({ folder, rescanMs, settleMs, log, scan }: WatchOptions): FolderWatch => {
  let watched: Watched | undefined
  let timer: NodeJS.Timeout | undefined
  let scanning: Promise<void> = Promise.resolve()
  let closed = false
  let said = ''

  const later = (ms: number) => {
    clearTimeout(timer)
    if (!closed) timer = setTimeout(() => void now(), ms)
  }
  const unwatch = () => {
    watched?.watcher.close()
    watched = undefined
  }
  /** Said once, for as long as no watch begins. */
  const say = (fault: string) => {
    if (fault !== '' && fault !== said)
      log.warn({ folder, rescanMs, fault }, 'the folder is not watched, only looked at')
    said = fault
  }
  const rewatch = (identity: string | undefined) => {
    if (closed || identity === undefined || watched?.identity === identity) return
    unwatch()
    const onFault = (error: unknown) => {
      unwatch()
      // A folder that is away is told of by the scan.
      if (identity !== '') say(messageOf(error))
    }
    const watcher = tryWatch(folder, () => later(settleMs), onFault)
    watched = watcher && { watcher, identity }
    if (!watcher) return
    say('')
    later(settleMs)
  }
  const now = (): Promise<void> => {
    later(rescanMs)
    scanning = scanning.then(scan).then(rewatch)
    return scanning
  }
  return {
    soon: () => later(settleMs),
    now,
    [Symbol.asyncDispose]: async () => {
      closed = true
      clearTimeout(timer)
      unwatch()
      await scanning
    },
  }
}
