import assert from 'node:assert/strict'
import { test } from 'node:test'
import { growth, median, reportOf, tableOf } from './report.ts'

const ours = (ingest: number, rate: number) => ({
  cpuMicros: { ingest, nats: 2, writer: 1 },
  rate,
  p50Ms: 100.4,
  p99Ms: 300,
  rssMb: { ingest: 70 + ingest, writer: 50 },
})
const telegraf = (micros: number, rate: number) => ({ cpuMicros: { telegraf: micros }, rate, rssMb: { telegraf: 40 } })

test('medians by figure, ratios by round, memory at its most', () => {
  const runs = {
    devices: 100,
    ours: [ours(5, 30_000), ours(6, 20_000), ours(9, 25_000)],
    telegraf: [telegraf(20, 20_000), telegraf(22.5, 20_000), telegraf(24, 10_000)],
  }
  assert.deepEqual(reportOf(3, [runs]), {
    rounds: 3,
    rows: [
      {
        devices: 100,
        ours: { cpuMicros: { ingest: 6, nats: 2, writer: 1 }, rate: 25_000, rssMb: 129, p50Ms: 100, p99Ms: 300 },
        telegraf: { cpuMicros: 22.5, rate: 20_000, rssMb: 40 },
        cpuRatio: 0.4,
        rateRatio: 1.5,
      },
    ],
  })
})

test('without Telegraf the report holds our figures alone', () => {
  const report = reportOf(1, [
    { devices: 100, ours: [ours(5, 30_000)], telegraf: [] },
    { devices: 10_000, ours: [ours(9, 30_000)], telegraf: [] },
  ])
  assert.equal(report.rows[0]?.telegraf, undefined)
  assert.equal(growth(report), 1.5)
  assert.match(tableOf(report), /10000 .* –/)
})

test('the median of an even number of values lies between the two in the middle', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5)
})
