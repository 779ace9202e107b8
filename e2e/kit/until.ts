import { setTimeout as sleep } from 'node:timers/promises'

/** What a test waits for, and how long it may take. */
export type Deadline = {
  /** Words for the error: "timed out after 30 s waiting for <what>". */
  readonly what: string
  /** Default 30 s: only a test that fails waits for so long. */
  readonly deadlineMs?: number
  /** Pause between two looks; default 50 ms. */
  readonly everyMs?: number
}

type Falsy = false | null | undefined

/**
 * Waits until `condition` gives something other than false, null or undefined, and returns it. A condition that throws is asked again;
 * its last error is told at the deadline.
 */
export const until = async <T>(
  condition: () => T | Falsy | Promise<T | Falsy>,
  { what, deadlineMs = 30_000, everyMs = 50 }: Deadline,
): Promise<T> => {
  const end = performance.now() + deadlineMs
  let last: unknown
  for (;;) {
    const outcome = await attempt(condition, end - performance.now())
    if ('value' in outcome) return outcome.value
    if (!(outcome.error instanceof NoAnswer)) last = outcome.error
    if (performance.now() > end) throw timeout(what, deadlineMs, last ?? outcome.error)
    await sleep(everyMs)
  }
}

/** An attempt that was cut off: what an earlier one said tells more. */
class NoAnswer extends Error {}

type Outcome<T> = { value: T } | { error?: unknown }

const attempt = async <T>(condition: () => T | Falsy | Promise<T | Falsy>, leftMs: number): Promise<Outcome<T>> => {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new NoAnswer('no answer yet')), Math.max(leftMs, 1))
  try {
    const value = await Promise.race([condition(), late.promise])
    return value === false || value === null || value === undefined ? {} : { value }
  } catch (error) {
    return { error }
  } finally {
    clearTimeout(timer)
  }
}

const timeout = (what: string, deadlineMs: number, cause: unknown): Error => {
  const reason = cause === undefined ? '' : `: ${cause instanceof Error ? cause.message : String(cause)}`
  return new Error(`timed out after ${deadlineMs / 1000} s waiting for ${what}${reason}`, { cause })
}
