#!/usr/bin/env node
/**
 * What the engine of alert rules costs: ten rules in CEL, of mixed functions over 1-minute windows of three measurements, devices that send a
 * reading a second in batches of 500 rows. Batches are made before the clock runs; CPU time is of the process, garbage
 * collection included. `node e2e/bench/alerts-engine.ts [--devices N] [--seconds N]`
 */
import { parseArgs } from 'node:util'
import { ShardEngine } from '@fleetloom/shared/rules/engine/engine'
import { fleetDocument, ruleDocument } from '@fleetloom/shared/rules/engine/testing/builders'
import { enginePorts } from '@fleetloom/shared/rules/ports'

const { values } = parseArgs({
  options: { devices: { type: 'string', default: '10000' }, seconds: { type: 'string', default: '20' } },
})
const DEVICES = Number(values.devices)
const SECONDS = Number(values.seconds)
/** Fills the windows, and the heap's compiled code. */
const WARM_UP = 70
const BATCH_ROWS = 500
const START_MS = 1_700_000_000_000

const RULES = [
  "avg(temperature, '1m') > 24",
  "avg(temperature, '1m') > 20 && last(door) == 'open'",
  "max(temperature, '1m') > 24.9",
  "min(humidity, '1m') > 41",
  "stddev(pressure, '1m') > 400",
  "rate(temperature, '1m') > 0.5",
  "percentile(humidity, 0.95, '1m') > 99",
  "delta(pressure, '1m') > 90 || absent(pressure, '1m')",
  "count(humidity, '1m') > 100",
  "!(sum(pressure, '1m') > 1)",
] as const

const fleet = fleetDocument({
  measurements: [
    ...(['temperature', 'humidity', 'pressure'] as const).map((name) => ({ name, type: 'Double' as const })),
    { name: 'door', type: 'Symbol' },
  ],
})

const makeEngine = (): ShardEngine => {
  const engine = new ShardEngine(fleet, { ports: enginePorts, shard: 0, eventsTable: 'cold_events' })
  for (let device = 0; device < DEVICES; device++) engine.setDevice(`reefer-${device}`, { labels: {} })
  for (const [i, when] of RULES.entries()) {
    const fault = engine.setRule(
      ruleDocument({ uid: `rule-${i}`, name: `rule-${i}`, when, forMs: i % 2 === 0 ? 10_000 : 0 }),
    )
    if (fault !== undefined) throw new Error(fault)
  }
  return engine
}

let digest = 1
const lineOf = (device: number, micros: number): string => {
  digest = (digest * 48_271) % 2_147_483_647
  const wave = Math.sin(device + micros / 3e7) * 5
  const at = `${(20 + wave + (digest % 100) / 100).toFixed(2)},humidity=${50 + (digest % 400) / 10},pressure=${1000 + (digest % 31) / 8}`
  return `cold_reefers,device=reefer-${device},door=${(device + Math.floor(micros / 6e8)) % 7 === 0 ? 'open' : 'closed'} temperature=${at},digest=${digest * 4_000_000}i ${micros}000\n`
}

/** The batches of one second; each device sends at its own moment of it, and all send in another order each second. */
const batchesOf = (second: number): Uint8Array[] => {
  const lines = Array.from({ length: DEVICES }, (_, i) => {
    const device = (i * 7919 + second * 4999) % DEVICES
    return lineOf(device, (START_MS + second * 1000) * 1000 + ((device * 997_331) % 1_000_000))
  })
  return Array.from({ length: Math.ceil(DEVICES / BATCH_ROWS) }, (_, i) =>
    Buffer.from(lines.slice(i * BATCH_ROWS, (i + 1) * BATCH_ROWS).join('')),
  )
}

const take = (engine: ShardEngine, batches: readonly Uint8Array[], second: number): number => {
  const storedMs = START_MS + second * 1000 + 1000
  for (const [i, body] of batches.entries())
    engine.take({ body, storedMs, ...(i === 0 && { progress: { session: 0, ms: storedMs } }) })
  return engine.drain().length
}

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

const measureRate = (engine: ShardEngine): { readingsPerSecondPerCore: number; transitions: number } => {
  let [cpu, transitions] = [0, 0]
  for (let second = 0; second < WARM_UP + SECONDS; second++) {
    const batches = batchesOf(second)
    const start = cpuSeconds()
    transitions += take(engine, batches, second)
    if (second >= WARM_UP) cpu += cpuSeconds() - start
  }
  return { readingsPerSecondPerCore: Math.round((SECONDS * DEVICES) / cpu), transitions }
}

const measureRestore = (engine: ShardEngine): Record<string, number> => {
  const before = performance.now()
  const chunks = engine.snapshot()
  const snapshotSeconds = (performance.now() - before) / 1000
  const second = makeEngine()
  const start = performance.now()
  if (!second.restore(chunks)) throw new Error('the snapshot could not be used')
  const restoreSeconds = (performance.now() - start) / 1000
  const snapshotMb = chunks.reduce((sum, { length }) => sum + length, 0) / 1e6
  return { snapshotSeconds, snapshotMb: Math.round(snapshotMb), restoreSeconds }
}

const engine = makeEngine()
const rate = measureRate(engine)
const report = {
  ...{ devices: DEVICES, rules: RULES.length, ...rate },
  bytesPerDeviceRule: Math.round(engine.bytes / (DEVICES * RULES.length)),
  residentMb: Math.round(process.memoryUsage().rss / 1e6),
  ...measureRestore(engine),
  rows: engine.rowCounts,
}
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
