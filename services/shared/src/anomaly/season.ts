import { type AnomalyState, CELL, cell, HOURS } from './state.ts'

const HOUR = 3_600_000

const hourCell = (timestamp: number): number => {
  const hour = Math.floor(timestamp / HOUR) % HOURS
  return CELL.hour + (hour < 0 ? hour + HOURS : hour)
}

const follow = (state: AnomalyState, index: number, target: number, gain: number): void => {
  state[index] = cell(state, index) + gain * (target - cell(state, index))
}

/**
 * What the value is expected to be: the mean of its hour of the day where that has been the better forecast of late, else the
 * level. Both learn from the value only after it was judged.
 */
export const expected = (state: AnomalyState, timestamp: number, value: number, gain: number): number => {
  const level = cell(state, CELL.level)
  const hour = cell(state, hourCell(timestamp))
  const seasonal = Number.isNaN(hour) ? level : hour
  follow(state, CELL.seasonalError, Math.abs(value - seasonal), gain)
  follow(state, CELL.levelError, Math.abs(value - level), gain)
  return cell(state, CELL.seasonalError) <= cell(state, CELL.levelError) ? seasonal : level
}

export const learnHour = (state: AnomalyState, timestamp: number, value: number, gain: number): void => {
  const at = hourCell(timestamp)
  if (Number.isNaN(cell(state, at))) state[at] = value
  else follow(state, at, value, gain)
}
