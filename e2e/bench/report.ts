/** Medians over the rounds, the table on screen and the file of results. */
import type { Latency, Throughput } from './measure.ts'

export type OursRun = Throughput & Latency
export type Runs = {
  readonly devices: number
  readonly ours: readonly OursRun[]
  readonly telegraf: readonly Throughput[]
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const at = (i: number): number => sorted[i] ?? Number.NaN
  return Number.isInteger(middle) ? (at(middle - 1) + at(middle)) / 2 : at(Math.floor(middle))
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits))
const total = (byProcess: Readonly<Record<string, number>>): number =>
  Object.values(byProcess).reduce((sum, value) => sum + value, 0)

const medianCpu = (runs: readonly Throughput[]): Record<string, number> => {
  const names = Object.keys(runs[0]?.cpuMicros ?? {})
  return Object.fromEntries(names.map((name) => [name, round(median(runs.map((run) => run.cpuMicros[name] ?? 0)), 2)]))
}

const common = (runs: readonly Throughput[]) => ({
  rate: Math.round(median(runs.map(({ rate }) => rate))),
  rssMb: Math.round(Math.max(...runs.map(({ rssMb }) => total(rssMb)))),
})

const rowOf = ({ devices, ours, telegraf }: Runs) => {
  const mine = {
    cpuMicros: medianCpu(ours),
    ...common(ours),
    p50Ms: Math.round(median(ours.map(({ p50Ms }) => p50Ms))),
    p99Ms: Math.round(median(ours.map(({ p99Ms }) => p99Ms))),
  }
  if (telegraf.length === 0) return { devices, ours: mine }
  // Each round's two runs stand beside each other in time, so ratios are taken by round, then their median.
  const ratio = (of: (run: Throughput) => number): number =>
    round(median(ours.map((run, i) => of(run) / of(telegraf[i] as Throughput))), 3)
  return {
    devices,
    ours: mine,
    telegraf: { cpuMicros: medianCpu(telegraf).telegraf ?? Number.NaN, ...common(telegraf) },
    cpuRatio: ratio((run) => total(run.cpuMicros)),
    rateRatio: ratio((run) => run.rate),
  }
}

export type Row = ReturnType<typeof rowOf>
export type Report = { readonly rounds: number; readonly rows: readonly Row[] }

/** CPU and rate are medians over the rounds; memory is the most of any round. */
export const reportOf = (rounds: number, runs: readonly Runs[]): Report => ({ rounds, rows: runs.map(rowOf) })

const GOALS =
  'goals: CPU ratio ≤ 0.4, rate ratio ≥ 1.2, p99 ≤ 1000 ms, memory ≤ 250 MB, CPU from 100 to 100,000 devices ≤ 1.3×'

const HEADER = [
  'devices',
  'ingest µs',
  'nats µs',
  'writer µs',
  'sum µs',
  'telegraf µs',
  'CPU ratio',
  'rate/s',
  'telegraf/s',
  'rate ratio',
  'p50 ms',
  'p99 ms',
  'MB',
  'telegraf MB',
]

const cells = ({ devices, ours, telegraf, cpuRatio, rateRatio }: Row): string[] =>
  [
    devices,
    ours.cpuMicros.ingest,
    ours.cpuMicros.nats,
    ours.cpuMicros.writer,
    round(total(ours.cpuMicros), 2),
    telegraf?.cpuMicros,
    cpuRatio,
    ours.rate,
    telegraf?.rate,
    rateRatio,
    ours.p50Ms,
    ours.p99Ms,
    ours.rssMb,
    telegraf?.rssMb,
  ].map((value) => (value === undefined ? '–' : String(value)))

/** How much more a message costs with the most devices than with the fewest; undefined with one row. */
export const growth = ({ rows }: Report): number | undefined => {
  const [first, last] = [rows[0], rows.at(-1)]
  if (!first || !last || first === last) return undefined
  return round(total(last.ours.cpuMicros) / total(first.ours.cpuMicros), 2)
}

export const tableOf = (report: Report): string => {
  const lines = [HEADER, ...report.rows.map(cells)]
  const widths = HEADER.map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)))
  const table = lines.map((line) => line.map((cell, column) => cell.padStart(widths[column] as number)).join('  '))
  const grown = growth(report)
  return [
    ...table,
    '',
    ...(grown === undefined ? [] : [`CPU per message from fewest to most devices: ${grown}×`]),
    GOALS,
  ].join('\n')
}
