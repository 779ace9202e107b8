#!/usr/bin/env node
/** `make cluster-up` and `make cluster-down`: a control plane of one's own, with our CRDs, that stays until it is stopped. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tailOf } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import { ROOT } from '../tools/paths.ts'
import { buildCluster } from './build.ts'
import { startKubernetes } from './kubernetes.ts'

const DATA = join(ROOT, '.data', 'cluster')
const PID = join(DATA, 'pid')
const READY = join(DATA, 'kubeconfig-path')
const LOG = join(DATA, 'cluster.log')
/** Of the manifests in crds/examples; the prefix that one of them asks for is granted too. */
const EXAMPLE_NAMESPACES = ['climate', 'coldchain', 'lab', 'weather']
const START_MS = 120_000
const STOP_MS = 30_000

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const runningPid = (): number | undefined => {
  const pid = existsSync(PID) ? Number(readFileSync(PID, 'utf8')) : undefined
  return pid !== undefined && isAlive(pid) ? pid : undefined
}

/** The process that holds the cluster; it ends with SIGTERM. */
const serve = async (): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  const onDeath = (how: string): void => {
    say(`a part of the cluster ended: ${how}`)
    resolve()
  }
  await using kubernetes = await startKubernetes({
    directory: join(DATA, 'control-plane'),
    values: { sharedPrefixes: [{ prefix: 'sensors/', namespace: 'climate' }] },
    onDeath,
  })
  for (const namespace of EXAMPLE_NAMESPACES) await kubernetes.kubectl(['create', 'namespace', namespace])
  writeFileSync(READY, kubernetes.controlPlane.kubeconfig)
  await promise
}

const up = async (): Promise<void> => {
  if (runningPid() !== undefined) return say('the cluster is up already; make cluster-down stops it')
  const { kubectl } = await buildCluster()
  rmSync(DATA, { recursive: true, force: true })
  mkdirSync(DATA, { recursive: true })
  const log = openSync(LOG, 'a')
  const child = spawn(process.execPath, [import.meta.filename, 'serve'], {
    detached: true,
    stdio: ['ignore', log, log],
  })
  writeFileSync(PID, String(child.pid))
  child.unref()
  say('  … etcd, API server, controllers, our CRDs')
  await until(() => existsSync(READY) || !isAlive(Number(child.pid)), { what: 'the cluster', deadlineMs: START_MS })
  if (!existsSync(READY)) throw new Error(`the cluster did not start; the end of its log:\n${tailOf(LOG)}`)
  const kubeconfig = readFileSync(READY, 'utf8')
  say(`  ✓ up; it has no nodes, so it runs no pods: the API server judges schemas and granted topics, while expressions of
    rules are judged by the operator's webhook, which does not run here. Try:

  export KUBECONFIG=${kubeconfig}
  ${kubectl} explain devicefleet.spec
  ${kubectl} apply --dry-run=server -f crds/examples
  make cluster-down`)
}

const down = async (): Promise<void> => {
  const pid = runningPid()
  if (pid === undefined) return say('no cluster is up')
  process.kill(pid, 'SIGTERM')
  await until(() => !isAlive(pid), { what: 'the cluster to stop', deadlineMs: STOP_MS })
  rmSync(DATA, { recursive: true, force: true })
  say('  ✓ down')
}

const COMMANDS: Readonly<Record<string, () => Promise<void>>> = { up, down, serve }
const [name = ''] = process.argv.slice(2)
const command = COMMANDS[name]
if (!command) {
  process.stderr.write('usage: node e2e/cluster/main.ts up|down\n')
  process.exit(2)
}
try {
  await command()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
