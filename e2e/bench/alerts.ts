#!/usr/bin/env node
/**
 * `make bench-alerts`: what alerting costs and how fast it is. The engine alone, in a process of its own; then the whole way from a
 * device's publish to a webhook, and from an event to a counter that the api shows, at ten thousand messages a second.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { observe } from '@fleetloom/shared/anomaly/detector'
import { initialState } from '@fleetloom/shared/anomaly/state'
import { type LoadOptions, startLoad } from '@fleetloom/simulator/load/load'
import { objectPayload, type PayloadMaker } from '@fleetloom/simulator/load/payload'
import {
  type AlertingPlatform,
  eventTopicOf,
  FLEET,
  type Heard,
  startAlertingPlatform,
  THRESHOLD,
  topicOf,
} from './alerting-platform.ts'
import { quantile } from './measure.ts'
import { rssMb } from './proc.ts'

const HELP = `Usage: node e2e/bench/alerts.ts [options]

  --devices N    devices (10000)
  --rate N       messages per second, readings and then events (10000)
  --seconds N    length of each measurement (30)
  --output FILE  where the results go (e2e/bench/results/alerts.json)
`

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    devices: { type: 'string', default: '10000' },
    rate: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '30' },
    output: { type: 'string', default: join(import.meta.dirname, 'results', 'alerts.json') },
  },
})
const say = (line: string): void => void process.stdout.write(`${line}\n`)
if (values.help) {
  say(HELP)
  process.exit(0)
}
const [RATE, SECONDS] = [Number(values.rate), Number(values.seconds)]
const DEVICES = Array.from({ length: Number(values.devices) }, (_, i) => `device-${i}`)
/** Samples a second, and how long the pipeline runs before they count. */
const SAMPLES_PER_SECOND = 20
const WARM_UP_SECONDS = 10
const POLL_MS = 10
const DRAIN_MS = 60_000

type EngineReport = {
  readonly readingsPerSecondPerCore: number
  readonly bytesPerDeviceRule: number
  readonly restoreSeconds: number
}

const engineReport = async (): Promise<EngineReport> => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'alerts-engine.ts')])
  return JSON.parse(stdout) as EngineReport
}

/** CPU of one reading in the detector, in µs, over a noisy day that repeats. */
const anomalyMicros = (): number => {
  const [state, readings] = [initialState(), 500_000]
  const value = (i: number): number => 20 + 5 * Math.sin(i / 200) + ((i * 7919) % 100) / 100
  for (let i = 0; i < 20_000; i++) observe(state, i * 60_000, value(i))
  const before = process.cpuUsage()
  for (let i = 20_000; i < 20_000 + readings; i++) observe(state, i * 60_000, value(i))
  const { user, system } = process.cpuUsage(before)
  return Number(((user + system) / readings).toFixed(2))
}

const loadOptions = ({ bench, logins }: AlertingPlatform, payload: PayloadMaker): LoadOptions => ({
  port: bench.mosquitto.port,
  version: 5,
  logins,
  devices: DEVICES,
  topicOf,
  payload,
  rate: RATE,
})

/** Another device each time, so that its next reading is a normal one. */
const isSample = (number: number): boolean =>
  (number + Math.floor(number / DEVICES.length)) % Math.round(RATE / SAMPLES_PER_SECOND) === 0

/** A reading in so many crosses the threshold; the next one of its device does not. */
const withSamples = (): PayloadMaker => {
  const normal = objectPayload('Microseconds')
  return (number, atMicros) =>
    isSample(number)
      ? `{"ts":${Math.floor(atMicros)},"temperature":${THRESHOLD + 1},"state":"ok"}`
      : normal(number, atMicros)
}

/** µs of `2026-01-31T12:00:00.123456Z`. */
const microsOf = (instant: string): number => {
  const fraction = (/\.(\d+)/.exec(instant)?.[1] ?? '').padEnd(6, '0')
  return Date.parse(instant.replace(/\.\d+/, '')) * 1000 + Number(fraction)
}

const latencyMs = ({ at, heardMicros }: Heard): number => (heardMicros - microsOf(at)) / 1000

const percentiles = (values: readonly number[]) => {
  const sorted = [...values].sort((a, b) => a - b)
  return { p50Ms: Math.round(quantile(sorted, 0.5)), p99Ms: Math.round(quantile(sorted, 0.99)) }
}

const measureNotify = async (platform: AlertingPlatform) => {
  const count = RATE * (WARM_UP_SECONDS + SECONDS)
  const load = await startLoad({ ...loadOptions(platform, withSamples()), count })
  await sleep(WARM_UP_SECONDS * 1000)
  const before = platform.heard.length
  await load.done
  await sleep(2_000)
  const firing = platform.heard.slice(before).filter(({ status }) => status === 'firing')
  const expected = SECONDS * SAMPLES_PER_SECOND
  say(
    `  ${firing.length} notifications of about ${expected} alerts; alerter ${Math.round(rssMb(platform.alerter.pid ?? 0))} MB`,
  )
  return percentiles(firing.map(latencyMs))
}

const countersPath = `/v1/namespaces/${FLEET.namespace}/fleets/${FLEET.name}/events/counters`

const totalOf = async ({ api }: AlertingPlatform): Promise<number> =>
  (await api.call<{ total: { count: number } }>('GET', countersPath)).total.count

/** Samples that wait for the counter to reach them: what was sent when, by number. */
const measureEvents = async (platform: AlertingPlatform) => {
  const base = await totalOf(platform)
  const waiting: { readonly number: number; readonly atMicros: number }[] = []
  const latencies: number[] = []
  const count = RATE * SECONDS
  const payload: PayloadMaker = (number, atMicros) => {
    if (isSample(number)) waiting.push({ number, atMicros })
    const user = `user-${(number * 7919) % 100_000}`
    return `{"type":"kind_${number % 20}","severity":"low","user":"${user}","metadata":{"n":${number}},"ts":${Math.floor(atMicros)}}`
  }
  const load = await startLoad({ ...loadOptions(platform, payload), topicOf: eventTopicOf, count })
  const deadlineMs = performance.now() + SECONDS * 1000 + DRAIN_MS
  for (let total = base; total < base + count; ) {
    total = await totalOf(platform)
    const nowMicros = (performance.timeOrigin + performance.now()) * 1000
    for (let first = waiting[0]; first && base + first.number < total; first = waiting[0]) {
      latencies.push((nowMicros - first.atMicros) / 1000)
      waiting.shift()
    }
    if (performance.now() > deadlineMs) throw new Error(`${base + count - total} events were never counted`)
    await sleep(POLL_MS)
  }
  await load.done
  return {
    ratePerSecond: RATE,
    p99Ms: percentiles(latencies).p99Ms,
    rssMb: Math.round(rssMb(platform.alerter.pid ?? 0)),
  }
}

say(`${availableParallelism()} processors, ${loadavg()[0]?.toFixed(1)} of them busy before the start`)
const { readingsPerSecondPerCore, bytesPerDeviceRule, restoreSeconds } = await engineReport()
say(
  `engine: ${readingsPerSecondPerCore} readings/s a core, ${bytesPerDeviceRule} bytes a device and rule, restored in ${restoreSeconds.toFixed(2)} s`,
)
const micros = anomalyMicros()
say(`anomaly detector: ${micros} µs a reading`)
await using platform = await startAlertingPlatform(DEVICES)
say(`${DEVICES.length} devices, 10 rules with windows, ${RATE} readings/s`)
const notify = await measureNotify(platform)
say(`  publish → webhook: p50 ${notify.p50Ms} ms, p99 ${notify.p99Ms} ms`)
const events = await measureEvents(platform)
say(`  event → counter at the api at ${events.ratePerSecond}/s: p99 ${events.p99Ms} ms; alerter ${events.rssMb} MB`)
const report = {
  ...{ readingsPerSecondPerCore, notify, bytesPerDeviceRule },
  ...{ anomalyMicros: micros, restoreSeconds: Number(restoreSeconds.toFixed(2)), events },
}
mkdirSync(dirname(values.output), { recursive: true })
writeFileSync(values.output, `${JSON.stringify(report, undefined, 2)}\n`)
say(
  `goals: ≥ 150,000 readings/s a core, ≤ 1 KB, notify p99 ≤ 250 ms, event p99 ≤ 500 ms, anomaly ≤ 5 µs, restore ≤ 5 s`,
)
say(`written to ${values.output}`)
await platform[Symbol.asyncDispose]()
process.exit(0)
