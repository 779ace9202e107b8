import { observe, scoreOf } from '@fleetloom/shared/anomaly/detector'
import type { Settings } from '@fleetloom/shared/anomaly/settings'
import { initialState } from '@fleetloom/shared/anomaly/state'
import { type Labelled, type Outcome, outcomeAt, type Scored } from './nab-score.ts'

export const scoreFile = (file: Labelled, settings: Settings): Scored => {
  const state = initialState()
  const scores = new Float64Array(file.values.length)
  for (const [row, value] of file.values.entries())
    scores[row] = observe(state, file.timestamps[row] as number, value, settings)
  return { file, scores }
}

/** Each file at the level that is an event to the detector itself: no threshold is chosen by any file. */
export const atEvents = (files: readonly Labelled[], settings: Settings): Outcome[] =>
  files.map((file) => outcomeAt(scoreFile(file, settings), scoreOf(settings.event)))

export const totalOf = (outcomes: readonly Outcome[]): number => outcomes.reduce((sum, { total }) => sum + total, 0)

export const windowsOf = (files: readonly Labelled[]): number =>
  files.reduce((sum, { windows }) => sum + windows.length, 0)
