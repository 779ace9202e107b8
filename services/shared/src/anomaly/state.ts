/**
 * What the detector knows of one measurement of one device: 256 numbers of 64 bits, 2,048 bytes, whatever the series. One flat
 * array keeps it cheap for a hundred thousand devices, and makes a checkpoint a copy of its bytes.
 */
const VERSION = 1

export const HOURS = 24
export const PEAKS = 24
export const PATTERNS = 48
/** Residual, short mean of the residual, long mean of the value. */
export const FEATURES = 3

/** Where each number lies. */
export const CELL = {
  version: 0,
  readings: 1,
  /** Slow mean of the value, and the mean distance of the value from it. */
  level: 2,
  spread: 3,
  shortMean: 4,
  longMean: 5,
  seasonalError: 6,
  levelError: 7,
  /** Of the peaks: how many readings they stand for, how many there are, the last one, and the readings since. */
  weighed: 8,
  peaks: 9,
  lastPeak: 10,
  sincePeak: 11,
  /** The last event told: its surprise, and the readings since. */
  told: 12,
  sinceTold: 13,
  patterns: 14,
  hour: 16,
  peak: 16 + HOURS,
  use: 16 + HOURS + PEAKS,
  pattern: 16 + HOURS + PEAKS + PATTERNS,
} as const

const CELLS = CELL.pattern + PATTERNS * FEATURES

/** A checkpoint's length. */
export const STATE_BYTES = CELLS * Float64Array.BYTES_PER_ELEMENT

/** Opaque: made by `initialState`, changed by `observe`, kept by `toBytes` and `fromBytes`. */
export type AnomalyState = Float64Array

export const initialState = (): AnomalyState => {
  const state = new Float64Array(CELLS)
  state[CELL.version] = VERSION
  state[CELL.sincePeak] = Number.MAX_SAFE_INTEGER
  state[CELL.sinceTold] = Number.MAX_SAFE_INTEGER
  state.fill(Number.NaN, CELL.hour, CELL.hour + HOURS)
  return state
}

/** A copy, to be kept as a checkpoint. */
export const toBytes = (state: AnomalyState): Uint8Array =>
  new Uint8Array(state.buffer, state.byteOffset, state.byteLength).slice()

/** The state exactly as it was. Throws a RangeError for bytes that `toBytes` of this version has not written. */
export const fromBytes = (bytes: Uint8Array): AnomalyState => {
  if (bytes.byteLength !== STATE_BYTES)
    throw new RangeError(`anomaly state: ${bytes.byteLength} bytes, not ${STATE_BYTES}; start from initialState()`)
  const state = new Float64Array(new Uint8Array(bytes).buffer)
  if (state[CELL.version] !== VERSION)
    throw new RangeError(`anomaly state: version ${state[CELL.version]}, not ${VERSION}; start from initialState()`)
  return state
}

export const cell = (state: AnomalyState, index: number): number => state[index] as number
