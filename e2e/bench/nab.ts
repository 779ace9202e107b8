/**
 * Measures the anomaly detector by the Numenta Anomaly Benchmark (standard profile) and writes results/anomaly.json.
 * Usage: node e2e/bench/nab.ts [FOLDER]: a checkout of NAB, or a folder of its series with their windows.json.
 *
 * `score` is NAB's own: the one threshold that is best for all files. How much of that is luck, the others tell: at the level that
 * is an event to the detector itself, and with every file scored by what is best on the others (the threshold; the settings).
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SETTINGS, type Settings } from '@fleetloom/shared/anomaly/settings'
import { STATE_BYTES } from '@fleetloom/shared/anomaly/state'
import { atEvents, scoreFile, totalOf, windowsOf } from './nab-detector.ts'
import { NAB_BESIDE, readNab } from './nab-files.ts'
import { bestThreshold, type Labelled, normalised, type Outcome, outcomeAt, type Scored } from './nab-score.ts'

const RESULTS = join(import.meta.dirname, 'results', 'anomaly.json')

const round = (value: number, digits = 1): number => Number(value.toFixed(digits))

const without = <T>(list: readonly T[], left: number): T[] => list.filter((_, i) => i !== left)

/** Each file at the threshold that is best on all others. */
const leaveOneOutThreshold = (scored: readonly Scored[]): number =>
  totalOf(scored.map((one, left) => outcomeAt(one, bestThreshold(without(scored, left)).threshold)))

const grid = (): Settings[] =>
  [0.4, 0.5, 0.6, 0.7, 0.8].flatMap((radius) =>
    [100, 200, 300].flatMap((rest) =>
      [2000, 4000, 6000].flatMap((memory) =>
        [5, 5.5, 6, 6.5, 7].map((event) => ({ ...SETTINGS, radius, rest, memory, event })),
      ),
    ),
  )

/** Each file by the settings, the level of an event among them, that are best on all others. */
const leaveOneOutSettings = (files: readonly Labelled[]): number => {
  const candidates = grid().map((settings) => atEvents(files, settings))
  const chosen = files.map((_, left) => {
    const best = candidates.reduce((a, b) => (totalOf(without(b, left)) > totalOf(without(a, left)) ? b : a))
    return best[left] as Outcome
  })
  return totalOf(chosen)
}

const rowFor = (scored: Scored, threshold: number) => {
  const { file } = scored
  const { total, detected, falsePositives } = outcomeAt(scored, threshold)
  const windows = file.windows.length
  // A file without windows has nothing to be normalised by: what its false positives cost is in the total.
  const score = windows === 0 ? null : round(normalised(total, windows))
  return { file: file.name, rows: file.values.length, windows, detected, falsePositives, score }
}

/** The least of some rounds: what else runs on the machine is not the detector's time. */
const microsPerReading = (files: readonly Labelled[]): number => {
  const readings = files.reduce((sum, { values }) => sum + values.length, 0)
  const rounds = Array.from({ length: 10 }, () => {
    const start = performance.now()
    for (const file of files) scoreFile(file, SETTINGS)
    return performance.now() - start
  })
  return (1000 * Math.min(...rounds)) / readings
}

const measure = (files: readonly Labelled[]) => {
  const scored = files.map((file) => scoreFile(file, SETTINGS))
  const { threshold, total } = bestThreshold(scored)
  const score = (of: number): number => round(normalised(of, windowsOf(files)))
  return {
    score: score(total),
    threshold: round(threshold, 4),
    scoreAtEventLevel: score(totalOf(atEvents(files, SETTINGS))),
    leaveOneOutThreshold: score(leaveOneOutThreshold(scored)),
    leaveOneOutSettings: score(leaveOneOutSettings(files)),
    microsPerReading: round(microsPerReading(files), 2),
    stateBytes: STATE_BYTES,
    files: scored.map((one) => rowFor(one, threshold)),
  }
}

const table = (rows: readonly object[]): string =>
  [Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row))]
    .map((cells) => `${cells.join('\t')}\n`)
    .join('')

const main = async (): Promise<void> => {
  const { files, ...totals } = measure(await readNab(process.argv[2] ?? NAB_BESIDE))
  const lines = Object.entries(totals).map(([name, value]) => `${name}: ${value}\n`)
  process.stdout.write(table(files) + lines.join(''))
  await mkdir(join(RESULTS, '..'), { recursive: true })
  await writeFile(RESULTS, `${JSON.stringify({ ...totals, files }, null, 2)}\n`)
}

await main()
