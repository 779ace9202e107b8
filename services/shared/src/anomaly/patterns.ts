/**
 * The patterns met so far, in the manner of adaptive resonance: a reading's features either resonate with the nearest known
 * pattern, which then moves a little towards them, or become a pattern of their own, in the place of the least used one. How far
 * a reading is from all that is known is how novel it is; a new level is novel once, and known from then on, until long unused.
 */
import type { Settings } from './settings.ts'
import { type AnomalyState, CELL, cell, FEATURES, PATTERNS } from './state.ts'

export type Features = readonly [number, number, number]
type Nearest = { readonly index: number; readonly distance: number }

/** Used less than a single time a memory ago, a pattern is forgotten. */
const FORGOTTEN = Math.exp(-1)

const distanceTo = (state: AnomalyState, at: number, [a, b, c]: Features): number => {
  const first = Math.abs(a - cell(state, at))
  const second = Math.abs(b - cell(state, at + 1))
  const third = Math.abs(c - cell(state, at + 2))
  return Math.max(first, second, third)
}

/** By the largest difference of any feature; index -1 when nothing is known. */
export const nearest = (state: AnomalyState, features: Features): Nearest => {
  const count = cell(state, CELL.patterns)
  let index = -1
  let distance = Number.POSITIVE_INFINITY
  for (let i = 0; i < count; i++) {
    if (cell(state, CELL.use + i) < FORGOTTEN) continue
    const far = distanceTo(state, CELL.pattern + i * FEATURES, features)
    if (far < distance) {
      distance = far
      index = i
    }
  }
  return { index, distance }
}

const freePlace = (state: AnomalyState): number => {
  const count = cell(state, CELL.patterns)
  if (count < PATTERNS) {
    state[CELL.patterns] = count + 1
    return count
  }
  let least = 0
  for (let i = 1; i < PATTERNS; i++) if (cell(state, CELL.use + i) < cell(state, CELL.use + least)) least = i
  return least
}

const fade = (state: AnomalyState, memory: number): void => {
  const keep = 1 - 1 / memory
  const end = CELL.use + cell(state, CELL.patterns)
  for (let at: number = CELL.use; at < end; at++) state[at] = cell(state, at) * keep
}

export const learnPattern = (state: AnomalyState, features: Features, near: Nearest, settings: Settings): void => {
  const known = near.distance <= settings.radius * cell(state, CELL.spread)
  const place = known ? near.index : freePlace(state)
  const gain = known ? settings.patternGain : 1
  for (let i = 0; i < FEATURES; i++) {
    const at = CELL.pattern + place * FEATURES + i
    const feature = features[i] as number
    state[at] = gain === 1 ? feature : cell(state, at) + gain * (feature - cell(state, at))
  }
  state[CELL.use + place] = known ? cell(state, CELL.use + place) + 1 : 1
  fade(state, settings.memory)
}
