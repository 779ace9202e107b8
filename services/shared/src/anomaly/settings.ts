/** Horizons and counts are in readings. docs/adr/0014 has what each was measured with, and how little most of them matter. */
export const SETTINGS = {
  /** No score before this many readings. */
  warmUp: 60,
  /** Of the level that a value is compared with. */
  levelHorizon: 1000,
  shortHorizon: 12,
  longHorizon: 64,
  /** How much of a value's distance from its hour's mean the mean takes over. */
  seasonGain: 0.05,
  /** Closer to a known pattern than this, in spreads, is that pattern. */
  radius: 0.6,
  patternGain: 0.05,
  /** After so many readings a pattern's use counts e times less; the peaks stand for as many at most. */
  memory: 4000,
  /** Peaks closer than this are one. */
  run: 6,
  /** The least tail index: the part by which a record must be beaten to count e times more. */
  leastTail: 0.1,
  /** An event is told once, and not again for so long … */
  rest: 200,
  /** … unless so many times more surprising. */
  louder: 1.3,
  /** Nats from which on a reading is an event, and from which on nothing but a louder event may hold it back. */
  event: 6,
  alarm: Math.log(10_000),
}

export type Settings = typeof SETTINGS
