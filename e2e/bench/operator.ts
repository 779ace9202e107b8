#!/usr/bin/env node
/**
 * `make bench-operator`: how the operator keeps up on a real API server, with every back-end real and on the same machine.
 *
 * For each count, on a platform of its own: all fleets are applied at once, and the time runs until the last is Ready. Then
 * what it costs while nothing happens, and how long a change of one fleet takes.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { collectionPath, objectPath } from '@fleetloom/operator/source/kube/objects'
import { follow, type KubeObject } from '@fleetloom/operator/source/kube/watch'
import { createLogger } from '@fleetloom/shared/process/logger'
import { fleetYaml, type KubePlatform, startKubePlatform, sumOf } from '../cluster/kube-platform.ts'
import type { KubeFleet } from '../cluster/kubernetes.ts'
import { until } from '../kit/until.ts'
import { cpuMicros, rssMb } from './proc.ts'
import { median } from './report.ts'

const HELP = `Usage: node e2e/bench/operator.ts [options]

  --fleets A,B    numbers of fleets (100,1000)
  --idle N        seconds of doing nothing that are measured (120)
  --rollups A,B   steps of the rollups of each fleet, such as 1m,1h (none)
  --changes N     changes of one fleet, one after the other (50)
  --output FILE   where the results go (e2e/bench/results/operator.json)
`

const NAMESPACE = 'bench'
const log = createLogger('bench', 'error')
/** What a fleet of the bench asks for: the smallest stream; rollups only with `--rollups`, as each costs as much as a fleet. */
const STREAM = { maxBytes: '4Mi' }
const APPLIED_AT_ONCE = 16
const CONVERGE_MS = 900_000

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const nameOf = (index: number): string => `fleet-${String(index).padStart(4, '0')}`

const isReady = ({ metadata, status }: KubeFleet): boolean =>
  status?.observedGeneration === metadata.generation &&
  status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')

/** How many fleets are Ready, counted by a watch: to ask for all of them again and again would be a load of its own. */
const countReady = async ({ kubernetes: { api } }: KubePlatform) => {
  const ready = new Set<string>()
  const onPut = (fleet: KubeFleet): void => {
    if (isReady(fleet)) ready.add(fleet.metadata.name)
    else ready.delete(fleet.metadata.name)
  }
  const onDelete = ({ metadata }: KubeFleet): void => void ready.delete(metadata.name)
  const onList = (fleets: readonly KubeFleet[]): void => fleets.forEach(onPut)
  const watch = follow({ api, path: collectionPath('DeviceFleet', NAMESPACE), log }, { onList, onPut, onDelete })
  await watch.synced
  return { count: () => ready.size, [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose]() }
}

const applyAll = async ({ kubernetes: { api } }: KubePlatform, count: number): Promise<void> => {
  const spec = { stream: STREAM, storage: { rollups } }
  const path = collectionPath('DeviceFleet', NAMESPACE)
  let next = 0
  const worker = async () => {
    while (next < count) {
      const body: unknown = JSON.parse(fleetYaml({ namespace: NAMESPACE, name: nameOf(next++) }, spec))
      await api.request({ method: 'POST', path, body })
    }
  }
  await Promise.all(Array.from({ length: APPLIED_AT_ONCE }, worker))
}

const pidsOf = ({ platform, kubernetes: { controlPlane } }: KubePlatform): Record<string, number> =>
  Object.fromEntries(
    Object.entries({
      operator: platform.operator.pid,
      ingest: platform.ingest.pid,
      writer: platform.writer.pid,
      nats: platform.nats.pid,
      mosquitto: platform.mosquitto.pid,
      questdb: platform.questdb.pid,
      apiserver: controlPlane.apiserver.pid,
      etcd: controlPlane.etcd.pid,
    }).filter((entry): entry is [string, number] => entry[1] !== undefined),
  )

const cpuOf = (pids: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuMicros(pid)]))

const secondsSince = (pids: Record<string, number>, before: Record<string, number>): string =>
  Object.entries(cpuOf(pids))
    .map(([name, micros]) => `${name} ${((micros - (before[name] ?? 0)) / 1e6).toFixed(1)}`)
    .join(', ')

const converge = async (kube: KubePlatform, count: number): Promise<number> => {
  const pids = pidsOf(kube)
  const before = cpuOf(pids)
  await using ready = await countReady(kube)
  const startMs = performance.now()
  await applyAll(kube, count)
  const appliedMs = performance.now() - startMs
  await until(
    () => {
      if (ready.count() < count) throw new Error(`${ready.count()} of ${count} are Ready`)
      return true
    },
    { what: `${count} fleets to be Ready`, deadlineMs: CONVERGE_MS, everyMs: 20 },
  )
  const seconds = (performance.now() - startMs) / 1000
  say(`  ${count} fleets Ready after ${seconds.toFixed(1)} s (applied after ${(appliedMs / 1000).toFixed(1)} s)`)
  say(`  CPU seconds: ${secondsSince(pids, before)}`)
  return Number(seconds.toFixed(1))
}

/** What a folder takes on disk. */
const megabytes = (folder: string): number => Number(execFileSync('du', ['-sm', folder]).toString().split('\t')[0])

const countersOf = async ({ platform }: KubePlatform) => {
  const page = await (await fetch(`${platform.operator.url}/metrics`)).text()
  return sumOf(page, 'fleetloom_operator_external_writes_total')
}

/** Counts the renewals of the operator's Lease from now on. */
const countRenewals = async ({ kubernetes: { api } }: KubePlatform) => {
  let renewals = 0
  const path = '/apis/coordination.k8s.io/v1/namespaces/fleetloom/leases'
  const onPut = ({ metadata }: KubeObject): void => {
    if (metadata.name === 'fleetloom-operator') renewals++
  }
  const watch = follow({ api, path, log }, { onList: () => undefined, onPut, onDelete: () => undefined })
  await watch.synced
  return { count: () => renewals, [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose]() }
}

const idle = async (kube: KubePlatform, seconds: number) => {
  const pids = pidsOf(kube)
  const pid = pids.operator as number
  await until(
    async () => {
      const before = await countersOf(kube)
      await sleep(5_000)
      return (await countersOf(kube)) === before
    },
    { what: 'the operator to come to rest', deadlineMs: 120_000 },
  )
  await using renewals = await countRenewals(kube)
  const [cpu, writes] = [cpuOf(pids), await countersOf(kube)]
  await sleep(seconds * 1000)
  const perMinute = (count: number): number => Number(((count * 60) / seconds).toFixed(1))
  const used = (cpuMicros(pid) - (cpu.operator ?? 0)) / 1e6
  say(`  idle, CPU seconds in ${seconds} s: ${secondsSince(pids, cpu)}`)
  return {
    cpuPercent: Number(((used / seconds) * 100).toFixed(2)),
    rssMb: Math.round(rssMb(pid)),
    writesPerMinute: {
      lease: perMinute(renewals.count()),
      other: perMinute((await countersOf(kube)) - writes),
    },
  }
}

const change = async (kube: KubePlatform, count: number, changes: number) => {
  const tookMs: number[] = []
  const { api } = kube.kubernetes
  for (let i = 0; i < changes; i++) {
    const ref = { namespace: NAMESPACE, name: nameOf(Math.floor(Math.random() * count)) }
    const path = objectPath('DeviceFleet', ref)
    const startMs = performance.now()
    const body = { spec: { limits: { messagesPerSecond: 100 + i } } }
    await api.request({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body })
    await until(async () => isReady(await kube.kubernetes.fleet(ref)), {
      what: `${ref.name} to be Ready`,
      everyMs: 10,
      deadlineMs: 60_000,
    })
    tookMs.push(performance.now() - startMs)
  }
  const sorted = tookMs.sort((a, b) => a - b)
  const p99 = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? Number.NaN
  return { p50Ms: Math.round(median(sorted)), p99Ms: Math.round(p99) }
}

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    fleets: { type: 'string', default: '100,1000' },
    idle: { type: 'string', default: '120' },
    rollups: { type: 'string', default: '' },
    changes: { type: 'string', default: '50' },
    output: { type: 'string', default: join(import.meta.dirname, 'results', 'operator.json') },
  },
})
if (values.help) {
  say(HELP)
  process.exit(0)
}
say(`${availableParallelism()} processors, ${loadavg()[0]?.toFixed(1)} of them busy before the start`)

const rollups = values.rollups
  .split(',')
  .filter((every) => every !== '')
  .map((every) => ({ every, ttl: '180d' }))
const counts = values.fleets.split(',').map(Number)
const fleets: { count: number; convergeSeconds: number }[] = []
let rest: object = {}
let disk: object = {}
for (const count of counts) {
  say(`${count} fleets`)
  await using kube = await startKubePlatform({
    resyncMs: 45_000,
    platform: { questdb: { heapMb: 1024 }, env: { operator: { WORKERS: '16' } } },
  })
  await kube.kubernetes.kubectl(['create', 'namespace', NAMESPACE])
  fleets.push({ count, convergeSeconds: await converge(kube, count) })
  if (count !== counts.at(-1)) continue
  disk = { questdbMb: megabytes(kube.platform.questdb.directory), natsMb: megabytes(kube.platform.nats.directory) }
  const idleResult = await idle(kube, Number(values.idle))
  const changeResult = await change(kube, count, Number(values.changes))
  rest = { idle: idleResult, change: changeResult }
}
const report = {
  settings: {
    ...STREAM,
    rollups: rollups.map(({ every }) => every),
    pages: 'small, as in e2e/kit/questdb.ts',
    ...disk,
  },
  fleets,
  ...rest,
}
mkdirSync(dirname(values.output), { recursive: true })
writeFileSync(values.output, `${JSON.stringify(report, undefined, 2)}\n`)
say(JSON.stringify(report, undefined, 2))
say(
  'goals: 1,000 fleets ≤ 60 s; idle < 2 % of a core, ≤ 200 MB, no writes but the Lease; change p99 ≤ 1 s; growth ≤ 1.3×',
)
process.exit(0)
