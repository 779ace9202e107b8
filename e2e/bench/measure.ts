/**
 * The two measurements of the bench.
 *
 * Throughput: the generator pushes as fast as the broker takes messages; the rate is messages by the time from the first
 * publish until the last row can be queried, and the CPU is what the contender's processes used in that time. Messages
 * before it, which nobody counts, let the programs warm up (Node compiles what runs often).
 *
 * Latency: at a steady rate, one message in so many is a sample. A query every few ms tells which samples have become
 * visible; a sample's latency is the time from the making of its packet to the answer in which it was first seen.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type LoadOptions, startLoad } from '@fleetloom/simulator/load/load'
import { objectPayload, type PayloadMaker } from '@fleetloom/simulator/load/payload'
import type { Login } from '@fleetloom/simulator/load/session'
import { until } from '../kit/until.ts'
import { type Bench, type Contender, topicOf } from './contender.ts'
import { cpuMicros, peakRssMb } from './proc.ts'

export type Subject = {
  readonly bench: Bench
  readonly contender: Contender
  readonly logins: readonly Login[]
  readonly devices: readonly string[]
}

const DRAIN_MS = 600_000
const POLL_MS = 50

const loadOptions = ({ bench, logins, devices }: Subject): LoadOptions => ({
  port: bench.mosquitto.port,
  version: 5,
  logins,
  devices,
  topicOf,
  payload: objectPayload('Microseconds'),
})

const rowsOf = async ({ bench, contender }: Subject): Promise<number> => {
  const [row] = await bench.questdb.sql<{ n: number }>(`SELECT count() n FROM ${contender.table}`)
  return row?.n ?? 0
}

/** CPU of each of the contender's processes so far, in µs. */
const cpuOf = ({ contender }: Subject): Record<string, number> =>
  Object.fromEntries(Object.entries(contender.processes).map(([name, { child }]) => [name, cpuMicros(child.pid ?? 0)]))

/** Peak memory of each of its processes that is its own, in MB. */
const memoryOf = ({ contender }: Subject): Record<string, number> => {
  const own = Object.entries(contender.processes).filter(([, { memory }]) => memory)
  return Object.fromEntries(own.map(([name, { child }]) => [name, peakRssMb(child.pid ?? 0)]))
}

const pushAll = async (subject: Subject, count: number): Promise<void> => {
  const before = await rowsOf(subject)
  const { acknowledged } = await (await startLoad({ ...loadOptions(subject), count })).done
  if (acknowledged !== count) throw new Error(`${count - acknowledged} of ${count} messages were refused by the broker`)
  await until(async () => (await rowsOf(subject)) >= before + count, {
    what: `${count} rows in ${subject.contender.table}`,
    deadlineMs: DRAIN_MS,
    everyMs: POLL_MS,
  })
}

export type Throughput = {
  /** Per message, by process. */
  readonly cpuMicros: Readonly<Record<string, number>>
  /** Messages per second. */
  readonly rate: number
  /** By process. */
  readonly rssMb: Readonly<Record<string, number>>
}

export const throughput = async (subject: Subject, messages: number, warmUp: number): Promise<Throughput> => {
  await pushAll(subject, warmUp)
  const cpuBefore = cpuOf(subject)
  const startMs = performance.now()
  await pushAll(subject, messages)
  const seconds = (performance.now() - startMs) / 1_000
  const cpu = Object.entries(cpuOf(subject)).map(([name, after]) => [name, (after - (cpuBefore[name] ?? 0)) / messages])
  return { cpuMicros: Object.fromEntries(cpu), rate: messages / seconds, rssMb: memoryOf(subject) }
}

const SAMPLES_PER_SECOND = 100

/** Notes when samples are made, and by asking the table, when they are seen. */
class Samples {
  readonly latenciesMs: number[] = []
  readonly #waiting = new Map<number, number>()
  readonly #stride: number
  readonly #maker: PayloadMaker = objectPayload('Microseconds')

  constructor(rate: number) {
    this.#stride = Math.max(1, Math.round(rate / SAMPLES_PER_SECOND))
  }

  get waiting(): number {
    return this.#waiting.size
  }

  readonly payload: PayloadMaker = (number, atMicros) => {
    if (number % this.#stride === 0) this.#waiting.set(number, atMicros)
    return this.#maker(number, atMicros)
  }

  async look({ bench, contender }: Subject): Promise<void> {
    if (this.#waiting.size === 0) return
    const since = Math.min(...this.#waiting.values())
    const rows = await bench.questdb.sql<{ n: number }>(
      `SELECT cast(battery as long) n FROM ${contender.table} WHERE ts >= ${since} AND battery % ${this.#stride} = 0`,
    )
    const nowMicros = (performance.timeOrigin + performance.now()) * 1_000
    for (const { n } of rows) {
      const atMicros = this.#waiting.get(n)
      if (atMicros !== undefined && this.#waiting.delete(n)) this.latenciesMs.push((nowMicros - atMicros) / 1_000)
    }
  }
}

export type Latency = { readonly p50Ms: number; readonly p99Ms: number }

/** Value below which the share `q` of the sorted values lies. */
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN

export const latency = async (subject: Subject, rate: number, seconds: number): Promise<Latency> => {
  const samples = new Samples(rate)
  const count = Math.round(rate * seconds)
  const load = await startLoad({ ...loadOptions(subject), payload: samples.payload, rate, count })
  let ended = false
  const done = load.done.finally(() => {
    ended = true
  })
  const deadlineMs = performance.now() + seconds * 1_000 + DRAIN_MS
  while (!ended || samples.waiting > 0) {
    await samples.look(subject)
    if (performance.now() > deadlineMs) throw new Error(`${samples.waiting} samples never became visible`)
    await sleep(POLL_MS)
  }
  await done
  const sorted = samples.latenciesMs.sort((a, b) => a - b)
  return { p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) }
}
