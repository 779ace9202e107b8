/**
 * How rare a distance is, from the 24 largest of the last few thousand. Up to the largest that is its rank; beyond it the
 * tail goes on as a Pareto law whose index is Hill's estimate. So any series, whatever its noise, has the same share of readings
 * above a given surprise. Peaks closer together than a run are one, else a single episode would be the whole tail.
 *
 * To forget, the readings that the peaks stand for are halved, and with them every other peak: the ranks' meaning stays.
 */
import type { Settings } from './settings.ts'
import { type AnomalyState, CELL, cell, PEAKS } from './state.ts'

/** A surprise in nats is never more: a chance of 10⁻²⁶. */
const MOST = 60

const peakAt = (state: AnomalyState, rank: number): number => cell(state, CELL.peak + rank)

/** The mean log of a positive peak over the least of them; at least `leastTail`. */
const tailIndex = (state: AnomalyState, leastTail: number): number => {
  const count = cell(state, CELL.peaks)
  let sum = 0
  let positive = 0
  while (positive < count && peakAt(state, positive) > 0) sum += Math.log(peakAt(state, positive++))
  return Math.max(leastTail, sum / positive - Math.log(peakAt(state, positive - 1)))
}

const beyondRecord = (state: AnomalyState, distance: number, { leastTail }: Settings): number => {
  const record = peakAt(state, 0)
  if (record === 0) return MOST
  return Math.log(cell(state, CELL.weighed)) + Math.log(distance / record) / tailIndex(state, leastTail)
}

/** The natural logarithm of one in how many readings is as far from the known as this; 0 where it is nothing special. */
export const surprise = (state: AnomalyState, distance: number, settings: Settings): number => {
  const count = cell(state, CELL.peaks)
  if (cell(state, CELL.weighed) < settings.warmUp) return 0
  if (distance > peakAt(state, 0)) return Math.min(MOST, beyondRecord(state, distance, settings))
  let rank = 0
  while (rank < count && peakAt(state, rank) >= distance) rank++
  return rank < count ? Math.log(cell(state, CELL.weighed) / (rank + 1)) : 0
}

const halve = (state: AnomalyState): void => {
  state[CELL.weighed] = cell(state, CELL.weighed) / 2
  const kept = Math.floor(cell(state, CELL.peaks) / 2)
  for (let i = 0; i < kept; i++) state[CELL.peak + i] = peakAt(state, 2 * i + 1)
  state[CELL.peaks] = kept
}

const remove = (state: AnomalyState, distance: number): void => {
  const count = cell(state, CELL.peaks)
  let rank = 0
  while (rank < count && peakAt(state, rank) !== distance) rank++
  if (rank === count) return
  for (; rank < count - 1; rank++) state[CELL.peak + rank] = peakAt(state, rank + 1)
  state[CELL.peaks] = count - 1
}

const insert = (state: AnomalyState, distance: number): void => {
  const count = cell(state, CELL.peaks)
  if (count === PEAKS && distance <= peakAt(state, count - 1)) return
  let rank = Math.min(count, PEAKS - 1)
  for (; rank > 0 && peakAt(state, rank - 1) < distance; rank--) state[CELL.peak + rank] = peakAt(state, rank - 1)
  state[CELL.peak + rank] = distance
  state[CELL.peaks] = Math.min(count + 1, PEAKS)
  state[CELL.lastPeak] = distance
  state[CELL.sincePeak] = 0
}

export const learnDistance = (state: AnomalyState, distance: number, { memory, run }: Settings): void => {
  state[CELL.weighed] = cell(state, CELL.weighed) + 1
  state[CELL.sincePeak] = cell(state, CELL.sincePeak) + 1
  if (cell(state, CELL.weighed) > memory) halve(state)
  const sameRun = cell(state, CELL.sincePeak) < run
  if (sameRun && distance <= cell(state, CELL.lastPeak)) return
  if (sameRun) remove(state, cell(state, CELL.lastPeak))
  insert(state, distance)
}
