/** Quiet series to try a detector on: each maker, given a seed, gives a function of the reading's number. */
const DAY = 1440

export type Series = (reading: number) => number

/** Mulberry32: uniform in 0..1, the same for a seed everywhere. */
export const uniform = (seed: number): (() => number) => {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export const gaussian = (seed: number): (() => number) => {
  const next = uniform(seed)
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

const wave = (reading: number): number => Math.sin((2 * Math.PI * reading) / DAY)

const bursts = (seed: number): Series => {
  const next = uniform(seed)
  let burst = 0
  return () => {
    burst = 0.8 * (next() < 0.01 ? -20 * Math.log(1 - next()) : burst)
    return 5 + next() + burst
  }
}

const counter = (seed: number, wrapsAt: number): Series => {
  const next = uniform(seed)
  let count = 0
  return () => {
    count = (count + 10 * next()) % wrapsAt
    return count
  }
}

/** Shut for hours, open for minutes. */
const door = (seed: number): Series => {
  const next = uniform(seed)
  let open = 0
  let left = 100
  return () => {
    if (--left < 0) {
      open = 1 - open
      left = open ? 5 + 10 * next() : 200 + 200 * next()
    }
    return open
  }
}

const walk = (seed: number): Series => {
  const next = gaussian(seed)
  let at = 0
  return () => {
    at += next()
    return at
  }
}

const each =
  (make: (seed: number) => () => number, shape: (draw: () => number, reading: number) => number) =>
  (seed: number): Series => {
    const draw = make(seed)
    return (reading) => shape(draw, reading)
  }

/** By what they are: one reading a minute. */
export const QUIET: Readonly<Record<string, (seed: number) => Series>> = {
  constant: () => () => 5,
  gaussian: each(gaussian, (draw) => 20 + draw()),
  uniform: each(uniform, (draw) => draw()),
  'heavy-tailed (Cauchy)': each(gaussian, (draw) => draw() / draw()),
  'heavy-tailed (log-normal)': each(gaussian, (draw) => Math.exp(draw())),
  seasonal: each(gaussian, (draw, reading) => 10 * wave(reading) + draw()),
  'seasonal, in steps': each(
    gaussian,
    (draw, reading) => Math.round((20 + 3 * wave(reading) + 0.1 * draw()) * 10) / 10,
  ),
  'square wave': () => (reading) => (reading % DAY < 700 ? 20 : 80),
  'few values': each(gaussian, (draw) => Math.round(1.2 * draw())),
  binary: each(uniform, (draw) => (draw() < 0.3 ? 1 : 0)),
  door,
  counter: (seed) => counter(seed, Number.POSITIVE_INFINITY),
  'counter that wraps': (seed) => counter(seed, 5000),
  bursty: bursts,
  'random walk': walk,
}
