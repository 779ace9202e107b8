/**
 * What a window keeps per bucket. A fold is a monoid over a few numbers ("lanes") of an array: `merge` puts the later part `b`
 * behind the earlier part `a`. So that nothing is ever subtracted, sums stay exact where their parts are.
 */
import type { WindowFold } from '../need.ts'

type Cells = Float64Array

export type Fold = {
  readonly name: string
  readonly lanes: number
  readonly clear: (cells: Cells, at: number) => void
  readonly add: (cells: Cells, at: number, value: number, micros: number) => void
  readonly merge: (a: Cells, at: number, b: Cells, from: number) => void
}

const lane = (cells: Cells, at: number): number => cells[at] as number

/** Number of readings, their sum. */
const sum: Fold = {
  name: 'sum',
  lanes: 2,
  clear: (cells, at) => {
    cells[at] = 0
    cells[at + 1] = 0
  },
  add: (cells, at, value) => {
    cells[at] = lane(cells, at) + 1
    cells[at + 1] = lane(cells, at + 1) + value
  },
  merge: (a, at, b, from) => {
    a[at] = lane(a, at) + lane(b, from)
    a[at + 1] = lane(a, at + 1) + lane(b, from + 1)
  },
}

/**
 * Number of readings, mean, sum of the squared distances from it. B. P. Welford, "Note on a Method for Calculating Corrected Sums of
 * Squares and Products" (1962); T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
 * Sample Variances" (1979) for the merge.
 */
const moments: Fold = {
  name: 'moments',
  lanes: 3,
  clear: (cells, at) => {
    cells.fill(0, at, at + 3)
  },
  add: (cells, at, value) => {
    const n = lane(cells, at) + 1
    const distance = value - lane(cells, at + 1)
    const mean = lane(cells, at + 1) + distance / n
    cells[at] = n
    cells[at + 1] = mean
    cells[at + 2] = lane(cells, at + 2) + distance * (value - mean)
  },
  merge: (a, at, b, from) => {
    const n = lane(a, at)
    const more = lane(b, from)
    if (more === 0) return
    const distance = lane(b, from + 1) - lane(a, at + 1)
    a[at] = n + more
    a[at + 1] = lane(a, at + 1) + (distance * more) / (n + more)
    a[at + 2] = lane(a, at + 2) + lane(b, from + 2) + (distance * distance * n * more) / (n + more)
  },
}

const least: Fold = {
  name: 'min',
  lanes: 1,
  clear: (cells, at) => {
    cells[at] = Number.POSITIVE_INFINITY
  },
  add: (cells, at, value) => {
    if (value < lane(cells, at)) cells[at] = value
  },
  merge: (a, at, b, from) => {
    if (lane(b, from) < lane(a, at)) a[at] = lane(b, from)
  },
}

const most: Fold = {
  name: 'max',
  lanes: 1,
  clear: (cells, at) => {
    cells[at] = Number.NEGATIVE_INFINITY
  },
  add: (cells, at, value) => {
    if (value > lane(cells, at)) cells[at] = value
  },
  merge: (a, at, b, from) => {
    if (lane(b, from) > lane(a, at)) a[at] = lane(b, from)
  },
}

/** Value and time of the first reading; the time is infinite while there is none. */
const first: Fold = {
  name: 'first',
  lanes: 2,
  clear: (cells, at) => {
    cells[at + 1] = Number.POSITIVE_INFINITY
  },
  add: (cells, at, value, micros) => {
    if (lane(cells, at + 1) <= micros) return
    cells[at] = value
    cells[at + 1] = micros
  },
  merge: (a, at, b, from) => {
    if (lane(a, at + 1) !== Number.POSITIVE_INFINITY) return
    a[at] = lane(b, from)
    a[at + 1] = lane(b, from + 1)
  },
}

/** The fold that answers each function. */
export const FOLD_OF = {
  avg: sum,
  sum,
  count: sum,
  min: least,
  max: most,
  stddev: moments,
  rate: first,
  delta: first,
} as const satisfies Record<WindowFold, Fold>

/** The last reading of a measurement. */
export type Last = { readonly value: number; readonly micros: number }

const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined)
const seconds = (micros: number): number => micros / 1e6

/** What a function makes of the lanes of its whole window. No data gives undefined, but a count of nothing is 0. */
export const ANSWER = {
  avg: (lanes) => (lane(lanes, 0) > 0 ? finite(lane(lanes, 1) / lane(lanes, 0)) : undefined),
  sum: (lanes) => (lane(lanes, 0) > 0 ? finite(lane(lanes, 1)) : undefined),
  count: (lanes) => lane(lanes, 0),
  min: (lanes) => finite(lane(lanes, 0)),
  max: (lanes) => finite(lane(lanes, 0)),
  stddev: (lanes) => (lane(lanes, 0) > 0 ? finite(Math.sqrt(lane(lanes, 2) / lane(lanes, 0))) : undefined),
  rate: (lanes, { value, micros }) =>
    lane(lanes, 1) < micros ? finite((value - lane(lanes, 0)) / seconds(micros - lane(lanes, 1))) : undefined,
  delta: (lanes, { value, micros }) => (lane(lanes, 1) < micros ? finite(value - lane(lanes, 0)) : undefined),
} as const satisfies Record<WindowFold, (lanes: Cells, last: Last) => number | undefined>
