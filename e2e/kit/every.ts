import { setTimeout as sleep } from 'node:timers/promises'
import { until } from './until.ts'

/**
 * Does something at once and again and again, `ms` after it was done, until it is disposed of. Disposing waits for what is under way. When
 * it fails it is done no more, and disposing throws why.
 */
export const every = (ms: number, work: () => Promise<unknown>): AsyncDisposable => {
  const stop = new AbortController()
  const untilStopped = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await work()
      await sleep(ms, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  }
  const ended = untilStopped().then(
    () => ({}),
    (error: unknown) => ({ error }),
  )
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      const outcome = await until(() => ended, { what: 'the work under way to end' })
      if ('error' in outcome) throw outcome.error
    },
  }
}
