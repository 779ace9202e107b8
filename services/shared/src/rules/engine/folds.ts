/**
 * What a window keeps of the readings of one bucket: a *cell* of a few numbers side by side, with only the parts that some rule asks for.
 *
 *     count 1 · sum 2 (count, sum) · spread 3 (count, mean, sum of the squared distances from it) · least 1 · most 1 · first 2 (value, time)
 *
 * Each part is a monoid by itself: `merge` puts the later cell `b` behind the earlier cell `a`. So that nothing is ever subtracted, sums
 * stay exact where their parts are. Each counts for itself, because one that was asked for later knows fewer readings.
 *
 * Spread: B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products" (1962); T. F. Chan, G. H. Golub,
 * R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979) for the merge. The mean of equal
 * readings is that reading, so their deviation is exactly 0.
 */
import type { WindowFold } from '../need.ts'

type Cells = Float64Array

const WIDTHS = { count: 1, sum: 2, spread: 3, least: 1, most: 1, first: 2 } as const
export type Part = keyof typeof WIDTHS
const PARTS = Object.keys(WIDTHS) as Part[]

/** The parts that answer each function. */
export const PARTS_OF = {
  avg: ['sum'],
  sum: ['sum'],
  count: ['count'],
  min: ['least'],
  max: ['most'],
  stddev: ['spread'],
  rate: ['first'],
  delta: ['first'],
} as const satisfies Record<WindowFold, readonly Part[]>

const NONE = -1
const lane = (cells: Cells, at: number): number => cells[at] as number

const increase = (cells: Cells, at: number, by: number): void => {
  cells[at] = lane(cells, at) + by
}

const addSpread = (cells: Cells, at: number, value: number): void => {
  const n = lane(cells, at) + 1
  const distance = value - lane(cells, at + 1)
  const mean = lane(cells, at + 1) + distance / n
  cells[at] = n
  cells[at + 1] = mean
  increase(cells, at + 2, distance * (value - mean))
}

const mergeSpread = (a: Cells, at: number, b: Cells, from: number): void => {
  const n = lane(a, at)
  const more = lane(b, from)
  if (more === 0) return
  const distance = lane(b, from + 1) - lane(a, at + 1)
  a[at] = n + more
  a[at + 1] = n === 0 ? lane(b, from + 1) : lane(a, at + 1) + (distance * more) / (n + more)
  increase(a, at + 2, lane(b, from + 2) + (distance * distance * n * more) / (n + more))
}

/** Which parts a cell has, and where in it they begin; -1 for those that it has not. */
export class Layout {
  readonly parts: readonly Part[]
  readonly width: number
  readonly count: number
  readonly sum: number
  readonly spread: number
  readonly least: number
  readonly most: number
  readonly first: number

  constructor(parts: Iterable<Part>) {
    const kept = new Set(parts)
    this.parts = PARTS.filter((part) => kept.has(part))
    let width = 0
    const places = { count: NONE, sum: NONE, spread: NONE, least: NONE, most: NONE, first: NONE }
    for (const part of this.parts) {
      places[part] = width
      width += WIDTHS[part]
    }
    this.width = width
    this.count = places.count
    this.sum = places.sum
    this.spread = places.spread
    this.least = places.least
    this.most = places.most
    this.first = places.first
  }

  /** The parts as one number, and back. */
  get code(): number {
    return this.parts.reduce((code, part) => code + 2 ** PARTS.indexOf(part), 0)
  }

  static of(code: number): Layout {
    return new Layout(PARTS.filter((_, i) => Math.floor(code / 2 ** i) % 2 === 1))
  }

  /** Makes the cell that of no readings. */
  clear(cells: Cells, at: number): void {
    const { least, most, first } = this
    for (let i = at; i < at + this.width; i++) cells[i] = 0
    if (least >= 0) cells[at + least] = Number.POSITIVE_INFINITY
    if (most >= 0) cells[at + most] = Number.NEGATIVE_INFINITY
    if (first >= 0) cells[at + first + 1] = Number.POSITIVE_INFINITY
  }

  add(cells: Cells, at: number, value: number, micros: number): void {
    const { count, sum, spread, least, most, first } = this
    if (count >= 0) increase(cells, at + count, 1)
    if (sum >= 0) {
      increase(cells, at + sum, 1)
      increase(cells, at + sum + 1, value)
    }
    if (spread >= 0) addSpread(cells, at + spread, value)
    if (least >= 0 && value < lane(cells, at + least)) cells[at + least] = value
    if (most >= 0 && value > lane(cells, at + most)) cells[at + most] = value
    if (first >= 0 && micros < lane(cells, at + first + 1)) {
      cells[at + first] = value
      cells[at + first + 1] = micros
    }
  }

  merge(a: Cells, at: number, b: Cells, from: number): void {
    const { count, sum, spread, least, most, first } = this
    if (count >= 0) increase(a, at + count, lane(b, from + count))
    if (sum >= 0) {
      increase(a, at + sum, lane(b, from + sum))
      increase(a, at + sum + 1, lane(b, from + sum + 1))
    }
    if (spread >= 0) mergeSpread(a, at + spread, b, from + spread)
    if (least >= 0 && lane(b, from + least) < lane(a, at + least)) a[at + least] = lane(b, from + least)
    if (most >= 0 && lane(b, from + most) > lane(a, at + most)) a[at + most] = lane(b, from + most)
    if (first >= 0 && lane(a, at + first + 1) === Number.POSITIVE_INFINITY) {
      a[at + first] = lane(b, from + first)
      a[at + first + 1] = lane(b, from + first + 1)
    }
  }

  /** Copies what this layout and that of `from` both have, out of a cell that begins at `from.at` of `source`. */
  copy(cells: Cells, at: number, source: Cells, from: { readonly layout: Layout; readonly at: number }): void {
    for (const part of this.parts)
      if (from.layout[part] >= 0)
        for (let i = 0; i < WIDTHS[part]; i++)
          cells[at + this[part] + i] = lane(source, from.at + from.layout[part] + i)
  }
}

/** The fold of a whole window: a cell of `layout`, behind it value and time of the last reading. */
export type Whole = { readonly cells: Cells; readonly layout: Layout }

const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined)

/** `total` ÷ `count`. */
const over = (total: number, count: number): number | undefined => (count > 0 ? finite(total / count) : undefined)
const root = (square: number | undefined): number | undefined => (square === undefined ? undefined : Math.sqrt(square))

/** What has changed between the first reading and the last, and in which time, µs; undefined unless there are two times. */
const change = (
  { cells, layout: { first, width } }: Whole,
  made: (change: number, micros: number) => number,
): number | undefined => {
  const micros = lane(cells, width + 1) - lane(cells, first + 1)
  return micros > 0 ? finite(made(lane(cells, width) - lane(cells, first), micros)) : undefined
}

const perSecond = (change: number, micros: number): number => change / (micros / 1e6)
const alone = (change: number): number => change

/** What each function makes of a whole window. No data gives undefined, but a count of nothing is 0. */
export const ANSWER = {
  avg: ({ cells, layout: { sum } }) => over(lane(cells, sum + 1), lane(cells, sum)),
  sum: ({ cells, layout: { sum } }) => (lane(cells, sum) > 0 ? finite(lane(cells, sum + 1)) : undefined),
  count: ({ cells, layout }) => lane(cells, layout.count),
  min: ({ cells, layout }) => finite(lane(cells, layout.least)),
  max: ({ cells, layout }) => finite(lane(cells, layout.most)),
  stddev: ({ cells, layout: { spread } }) => root(over(lane(cells, spread + 2), lane(cells, spread))),
  rate: (whole) => change(whole, perSecond),
  delta: (whole) => change(whole, alone),
} as const satisfies Record<WindowFold, (whole: Whole) => number | undefined>
