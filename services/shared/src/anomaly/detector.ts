/**
 * An online detector of anomalies in one measurement of one device: constant memory and time a reading, no training but a
 * warm-up, no clock and no chance.
 *
 * 1. *Expect.* A reading is compared with the mean of its hour of the day where that forecasts better, else with the level.
 * 2. *Describe.* Its features are this residual, the residual's short mean, and the value's long mean: a spike, a shift and
 *    a drift each show in one of them.
 * 3. *Recognise.* The distance to the nearest of 48 known patterns is how novel the reading is (adaptive resonance).
 * 4. *Weigh.* The tail of such distances gives how rare the novelty is (extreme value theory): one in eˢ readings, s its surprise.
 * 5. *Tell once.* Readings after an event score 0 for a while unless they are clearly more surprising; meanwhile the
 *    new pattern is learnt. So a level that shifts is one event and then the new normal.
 *
 * Nothing depends on the spacing of readings: gaps, a change of rate and readings that come late are no anomalies in themselves.
 *
 * Sources: G. A. Carpenter, S. Grossberg, D. B. Rosen, "Fuzzy ART: Fast stable learning and categorization of analog patterns",
 * Neural Networks 4 (1991), and M. Hampton's ARTime (2021) for its use on time series. A. Siffer, P.-A. Fouque, A. Termier,
 * C. Largouët, "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017; B. M. Hill, "A Simple General Approach to
 * Inference About the Tail of a Distribution", Annals of Statistics 3 (1975); runs declustering of peaks: S. Coles, "An
 * Introduction to Statistical Modeling of Extreme Values" (2001), section 5.3. R. Laxhammar, G. Falkman, "Conformal Prediction for
 * Distribution-Independent Anomaly Detection in Streaming Vessel Data", StreamKDD 2010, for ranks as the measure across series.
 * S. Ahmad, A. Lavin, S. Purdy, Z. Agha, "Unsupervised real-time anomaly detection for streaming data", Neurocomputing 262 (2017),
 * for the benchmark (NAB) it is chosen by, and for judging a score by its own history.
 */
import { type Features, learnPattern, nearest } from './patterns.ts'
import { expected, learnHour } from './season.ts'
import { SETTINGS, type Settings } from './settings.ts'
import { type AnomalyState, CELL, cell } from './state.ts'
import { learnDistance, surprise } from './tail.ts'

/** Keeps differences finite. */
const LARGEST = 1e300

const add = (state: AnomalyState, index: number, amount: number): void => {
  state[index] = cell(state, index) + amount
}

const checked = (name: string, number: number): number => {
  if (!Number.isFinite(number))
    throw new RangeError(`anomaly detector: ${name} is ${number}, not a finite number; leave such a reading out`)
  return number
}

const describe = (state: AnomalyState, timestamp: number, value: number, settings: Settings): Features => {
  const readings = cell(state, CELL.readings)
  const gain = Math.max(1 / readings, 1 / settings.levelHorizon)
  const residual = value - expected(state, timestamp, value, gain)
  add(state, CELL.spread, gain * (Math.abs(value - cell(state, CELL.level)) - cell(state, CELL.spread)))
  add(state, CELL.shortMean, (residual - cell(state, CELL.shortMean)) / settings.shortHorizon)
  add(state, CELL.longMean, Math.max(1 / readings, 1 / settings.longHorizon) * (value - cell(state, CELL.longMean)))
  learnHour(state, timestamp, value, settings.seasonGain)
  add(state, CELL.level, gain * (value - cell(state, CELL.level)))
  return [residual, cell(state, CELL.shortMean), cell(state, CELL.longMean)]
}

/** What an earlier event holds back: a lesser event holds back no alarm. */
const heldBack = (told: number, { louder, alarm }: Settings): number =>
  told < alarm ? Math.min(told * louder, alarm) : told * louder

const tellOnce = (state: AnomalyState, nats: number, settings: Settings): number => {
  add(state, CELL.sinceTold, 1)
  const resting = cell(state, CELL.sinceTold) < settings.rest
  if (resting && nats < heldBack(cell(state, CELL.told), settings)) return 0
  if (nats > settings.event) {
    state[CELL.told] = nats
    state[CELL.sinceTold] = 0
  }
  return nats
}

/** `1 − p^¼` of a surprise of −ln p nats. */
export const scoreOf = (nats: number): number => 1 - Math.exp(-nats / 4)

/**
 * Takes a reading into the state and gives its anomaly score, 0 to 1: `1 − p^¼`, where about one reading in 1/p is as novel as this one
 * by the series' own history. 0.68 is one in 100, 0.9 one in 10,000; while an event rests, the score is 0. Two levels are worth a rule: 0.77, every
 * event (on quiet data up to 30 readings in 10,000), and 0.9 (0 to 3 in 10,000), which no lesser event holds back.
 *
 * `timestamp` is in milliseconds since 1970 and may go back; any finite `value` is taken (beyond ±10³⁰⁰ as that). Throws a RangeError for a
 * number that is not finite. The same state and readings give the same scores, also when the state went through a checkpoint.
 */
export const observe = (state: AnomalyState, timestamp: number, value: number, settings = SETTINGS): number => {
  checked('timestamp', timestamp)
  const bounded = Math.min(LARGEST, Math.max(-LARGEST, checked('value', value)))
  if (cell(state, CELL.readings) === 0) {
    state[CELL.level] = bounded
    state[CELL.longMean] = bounded
  }
  add(state, CELL.readings, 1)
  const features = describe(state, timestamp, bounded, settings)
  const near = nearest(state, features)
  let nats = 0
  if (near.index >= 0) {
    nats = surprise(state, near.distance, settings)
    learnDistance(state, near.distance, settings)
  }
  learnPattern(state, features, near, settings)
  return scoreOf(tellOnce(state, nats, settings))
}
