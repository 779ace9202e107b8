/** Plays one device of a show: its present step at once, and each further one when it begins. */
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { momentOf, stepAt } from './recording/playback.ts'
import type { Message, Show } from './shows.ts'

/** Steps missed while this process was held up are played up to this many; the rest is skipped. */
const CATCH_UP_STEPS = 10
const MAX_TIMER_MS = 86_400_000

export type PlayerOptions = {
  readonly show: Show
  readonly device: string
  readonly publish: (message: Message) => void
  readonly log: Logger
}

/** Steps to play now, after `last`: at most `CATCH_UP_STEPS`, the newest ones. */
export const stepsDue = (last: number, present: number): number[] => {
  const first = Math.max(last + 1, present - CATCH_UP_STEPS + 1)
  return Array.from({ length: Math.max(0, present - first + 1) }, (_, i) => first + i)
}

export const play = ({ show, device, publish, log }: PlayerOptions): Disposable => {
  const { playback } = show
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  const perform = async (step: number): Promise<void> => {
    const messages = await show.messages(device, { playback, step, atMs: momentOf(playback, step) })
    if (!stopped) for (const message of messages) publish(message)
  }
  const next = async (last: number): Promise<void> => {
    const present = stepAt(playback, Date.now())
    for (const step of stepsDue(last, present)) {
      await perform(step).catch((error) => log.error({ device, step }, `no reading: ${messageOf(error)}`))
    }
    if (stopped) return
    const waitMs = momentOf(playback, present + 1) - Date.now()
    timer = setTimeout(() => void next(present), Math.min(Math.max(waitMs, 0), MAX_TIMER_MS))
  }
  void next(stepAt(playback, Date.now()) - 1)
  return {
    [Symbol.dispose]: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
