/**
 * The score of the Numenta Anomaly Benchmark, standard profile, with the arithmetic of NAB's own sweeper: A. Lavin, S. Ahmad, "Evaluating
 * Real-time Anomaly Detection Algorithms – the Numenta Anomaly Benchmark", ICMLA 2015.
 *
 * Each labelled window is worth up to 1 for its earliest detection (less the later in the window it comes) and costs 1 when
 * missed; a detection outside costs up to 0.11, less when it follows closely on a window. The first 15 % of a file, at most 750
 * rows, do not count. One threshold for all files is chosen so that the sum is best; 0 is a detector that never speaks, 100 a perfect
 * one.
 */
export type Labelled = {
  readonly name: string
  readonly timestamps: readonly number[]
  readonly values: readonly number[]
  /** First and last timestamp of each window. */
  readonly windows: readonly (readonly [number, number])[]
}

/** Anomaly scores, one a row, of the file. */
export type Scored = { readonly file: Labelled; readonly scores: ArrayLike<number> }

const FALSE_POSITIVE = 0.11
const MISSED = 1

const scaledSigmoid = (position: number): number => (position >= 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1)

/** What a detection at each row counts, and the window that the row is in (-1: none). */
type Worth = { readonly worth: Float64Array; readonly window: Int32Array; readonly probation: number }

const rowOf = ({ name, timestamps }: Labelled, timestamp: number): number => {
  const row = timestamps.indexOf(timestamp)
  if (row < 0) throw new RangeError(`${name}: no row has the window's timestamp ${new Date(timestamp).toISOString()}`)
  return row
}

const worthOutside = (row: number, before: readonly [number, number] | undefined): number =>
  FALSE_POSITIVE * (before === undefined ? -1 : scaledSigmoid((row - before[1]) / (before[1] - before[0])))

export const worthOf = (file: Labelled): Worth => {
  const rows = file.timestamps.length
  const windows = file.windows.map(([from, to]) => [rowOf(file, from), rowOf(file, to)] as const)
  const worth = new Float64Array(rows)
  const window = new Int32Array(rows).fill(-1)
  for (let row = 0; row < rows; row++) {
    const index = windows.findIndex(([from, to]) => row >= from && row <= to)
    const inside = windows[index]
    window[row] = index
    if (inside) worth[row] = scaledSigmoid(-(inside[1] - row + 1) / (inside[1] - inside[0] + 1)) / scaledSigmoid(-1)
    else
      worth[row] = worthOutside(
        row,
        windows.findLast(([, to]) => to < row),
      )
  }
  return { worth, window, probation: Math.min(Math.floor(0.15 * rows), 0.15 * 5000) }
}

type Point = { readonly score: number; readonly worth: number; readonly key: number }

const pointsOf = (scored: readonly Scored[]): { points: Point[]; windows: number } => {
  const points: Point[] = []
  let windows = 0
  for (const { file, scores } of scored) {
    const { worth, window, probation } = worthOf(file)
    for (let row = Math.ceil(probation); row < worth.length; row++) {
      const index = window[row] as number
      points.push({ score: scores[row] as number, worth: worth[row] as number, key: index < 0 ? -1 : windows + index })
    }
    windows += file.windows.length
  }
  return { points: points.sort((a, b) => b.score - a.score), windows }
}

export type Best = { readonly threshold: number; readonly total: number }

/** The threshold (alerts are scores at or above it) with the best sum over all files, and that sum. */
export const bestThreshold = (scored: readonly Scored[]): Best => {
  const { points, windows } = pointsOf(scored)
  const earned = new Float64Array(windows).fill(-MISSED)
  let total = -MISSED * windows
  let best: Best = { threshold: 1.1, total }
  for (const [i, { score, worth, key }] of points.entries()) {
    const gain = key < 0 ? worth : Math.max(0, worth - (earned[key] as number))
    if (key >= 0) earned[key] = (earned[key] as number) + gain
    total += gain
    if (points[i + 1]?.score !== score && total > best.total) best = { threshold: score, total }
  }
  return best
}

export type Outcome = { readonly total: number; readonly detected: number; readonly falsePositives: number }

/** One file at a given threshold. */
export const outcomeAt = ({ file, scores }: Scored, threshold: number): Outcome => {
  const { worth, window, probation } = worthOf(file)
  const earned = new Float64Array(file.windows.length).fill(-MISSED)
  let cost = 0
  let falsePositives = 0
  for (let row = Math.ceil(probation); row < worth.length; row++) {
    if ((scores[row] as number) < threshold) continue
    const key = window[row] as number
    if (key >= 0) earned[key] = Math.max(earned[key] as number, worth[row] as number)
    else {
      cost += worth[row] as number
      falsePositives++
    }
  }
  const total = earned.reduce((sum, value) => sum + value, cost)
  return { total, detected: earned.filter((value) => value > -MISSED).length, falsePositives }
}

/** 0: no alert ever; 100: every window at its first row, and nothing else. `windows` is how many there are. */
export const normalised = (total: number, windows: number): number => (100 * (total + MISSED * windows)) / (2 * windows)
