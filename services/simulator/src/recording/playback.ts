/**
 * How a recording is mapped onto now. Recorded time runs `speed` times as fast as the clock on the wall and agrees with it at
 * `EPOCH`, a start of a four-year cycle of the calendar; it repeats every cycle, so at speed 1 month, day and hour are those of
 * now, in any year. A pure function of the wall clock: a restart continues where time is, with no state.
 *
 * Recorded time is cut into steps (an hour, a day). A step's reading is taken at the moment its step begins on the wall clock
 * and bears that moment as its timestamp, so timestamps are close to now at any speed, and the same step always gives the
 * same message.
 */

export const EPOCH_MS = Date.UTC(2024, 0, 1)
const CYCLE_MS = 1461 * 86_400_000

export type Playback = { readonly speed: number; readonly stepMs: number }

/** The step that is under way. */
export const stepAt = ({ speed, stepMs }: Playback, nowMs: number): number =>
  Math.floor(((nowMs - EPOCH_MS) * speed) / stepMs)

/** When a step begins on the wall clock, whole ms since the epoch. */
export const momentOf = ({ speed, stepMs }: Playback, step: number): number =>
  Math.ceil(EPOCH_MS + (step * stepMs) / speed)

/** The recorded date at which a step begins, in the years 2024 to 2027; `phaseMs` shifts a device against others. */
export const dateOf = ({ stepMs }: Playback, step: number, phaseMs = 0): Date =>
  new Date(EPOCH_MS + ((((step * stepMs + phaseMs) % CYCLE_MS) + CYCLE_MS) % CYCLE_MS))
