/** Tells of a part that died, with the end of its log, and starts it again, as a cluster would; one that keeps dying is given up. */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { Child } from '../kit/child.ts'
import { tailOf } from '../kit/temp.ts'
import { shown } from './folder.ts'
import { done, failed, say } from './screen.ts'

const PAUSE_MS = 1_000
const MOST_DEATHS = 5
const WITHIN_MS = 60_000

export type Watchdog = {
  /** Tells of a death and starts the part again when it is known by then. */
  died(name: string, logFile: string, how: string): void
  /** From now on this part is started again. */
  watch(name: string, child: Child): void
  /** Resolves with the reason when a part was given up. */
  readonly gaveUp: Promise<string>
  stop(): void
}

export const createWatchdog = (restart: boolean): Watchdog => {
  const children = new Map<string, Child>()
  const deaths = new Map<string, number[]>()
  const gaveUp = Promise.withResolvers<string>()
  let stopped = false

  const revive = async (name: string): Promise<void> => {
    const child = children.get(name)
    const recent = (deaths.get(name) ?? []).filter((atMs) => performance.now() - atMs < WITHIN_MS)
    deaths.set(name, [...recent, performance.now()])
    if (!restart || child === undefined) return gaveUp.resolve(`${name} died`)
    if (recent.length >= MOST_DEATHS) return gaveUp.resolve(`${name} keeps dying`)
    await sleep(PAUSE_MS)
    if (stopped) return
    const sinceMs = performance.now()
    await child.start()
    done(`${name} started again`, sinceMs)
  }

  return {
    gaveUp: gaveUp.promise,
    watch: (name, child) => void children.set(name, child),
    died: (name, logFile, how) => {
      if (stopped) return
      failed(`${name} ${how}; the end of ${shown(logFile)}:`)
      say(tailOf(logFile, 8).replace(/^/gm, '      '))
      revive(name).catch((error) => gaveUp.resolve(messageOf(error)))
    },
    stop: () => {
      stopped = true
    },
  }
}
