/** The demo's folder, `.data/` unless DEMO_DATA says otherwise: made on the first start, taken up again on the next. */
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { Part, PlatformOptions } from '../kit/platform-options.ts'
import { isFree } from '../kit/ports.ts'
import { ROOT } from '../tools/paths.ts'

export const DATA = resolve(ROOT, process.env.DEMO_DATA || '.data')
export const MANIFESTS = join(DATA, 'manifests')
/** What the operator reads secrets of rules from. */
export const RULE_SECRETS = join(DATA, 'rule-secrets')
/** The key with which the webhook of the example rule `too-warm` signs. */
const HOOK_KEY = join(RULE_SECRETS, 'coldchain', 'hook', 'key')
const EXAMPLES = join(ROOT, 'crds', 'examples')
const RUNNING = join(DATA, 'running.json')

/** What other commands need to know of the demo that runs. */
export type Running = { readonly pid: number; readonly operatorUrl: string }

export class DemoError extends Error {
  override name = 'DemoError'
}

/** A path as it is typed in the repository. */
export const shown = (path: string): string => (path.startsWith(ROOT) ? relative(ROOT, path) : path)

/** Makes the folder; the examples are copied once, so that they can be edited. */
export const prepareFolder = (): { readonly isFirst: boolean } => {
  const isFirst = !existsSync(MANIFESTS)
  mkdirSync(join(DATA, 'logs'), { recursive: true, mode: 0o700 })
  if (!existsSync(HOOK_KEY)) {
    mkdirSync(dirname(HOOK_KEY), { recursive: true, mode: 0o700 })
    writeFileSync(HOOK_KEY, randomBytes(32).toString('hex'), { mode: 0o600 })
  }
  if (isFirst) cpSync(EXAMPLES, MANIFESTS, { recursive: true })
  return { isFirst }
}

export const logFileOf = (part: string): string => join(DATA, 'logs', `${part}.log`)

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** The demo that runs now; undefined when none does. */
export const runningDemo = (): Running | undefined => {
  if (!existsSync(RUNNING)) return undefined
  const running = JSON.parse(readFileSync(RUNNING, 'utf8')) as Running
  return running.pid !== process.pid && isAlive(running.pid) ? running : undefined
}

export const markRunning = (operatorUrl: string): void =>
  writeFileSync(RUNNING, JSON.stringify({ pid: process.pid, operatorUrl } satisfies Running))

type PortName = Exclude<Part, 'crl'> | 'natsMonitor' | 'postgres'

const USUAL: Readonly<Record<PortName, number>> = {
  mosquitto: 1883,
  nats: 4222,
  natsMonitor: 8222,
  questdb: 9000,
  postgres: 8812,
  api: 8080,
  operator: 8081,
  ingest: 8082,
  writer: 8083,
  alerter: 8084,
}

/** The usual port of each part, or the next free one above it when it is taken. */
export const choosePorts = async (): Promise<NonNullable<PlatformOptions['ports']>> => {
  const taken = new Set<number>()
  const chosen: Partial<Record<PortName, number>> = {}
  for (const [name, usual] of Object.entries(USUAL) as [PortName, number][]) {
    let port = usual
    while (taken.has(port) || !(await isFree(port))) port++
    taken.add(port)
    chosen[name] = port
  }
  return chosen
}
