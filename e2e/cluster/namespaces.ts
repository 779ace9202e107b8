/** Mount, network, process and host name namespaces of their own, and programs in them that end with them. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild } from '../kit/child.ts'
import { tempLog } from '../kit/temp.ts'
import { until } from '../kit/until.ts'

export type Namespaces = AsyncDisposable & {
  /** Their first process, as this machine counts. */
  readonly pid: number
  /** The command that runs this one in them. */
  inside(command: readonly string[]): readonly [string, ...string[]]
}

/** unshare is the parent of the first process, and has no other child. */
const childOf = (pid: number): number => Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'), 10)

/** Starts `node.sh` as their first process; they go when it does, and it goes with this process. */
export const startNamespaces = async (directory: string): Promise<Namespaces> => {
  const stamp = join(directory, 'namespaces-are-ready')
  const kinds = ['--mount', '--net', '--pid', '--uts']
  const child = await startChild({
    name: 'node',
    command: 'unshare',
    args: [...kinds, '--fork', '--mount-proc', '--kill-child', join(import.meta.dirname, 'node.sh'), stamp],
    logFile: tempLog('node'),
    ready: async () => existsSync(stamp),
    stopSignal: 'SIGKILL',
  })
  const pid = childOf(child.pid as number)
  return {
    pid,
    inside: (command) => ['nsenter', '--target', String(pid), ...kinds, '--', ...command],
    [Symbol.asyncDispose]: async () => {
      await child[Symbol.asyncDispose]()
      await until(() => !existsSync(`/proc/${pid}`), { what: "the node's processes to end", deadlineMs: 60_000 })
    },
  }
}

export type Program = {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
  readonly ready?: () => Promise<boolean>
}

/** A program that is thrown away at the end. */
export const startProgram = ({ name, command: [command, ...args], env = {}, ready }: Program): Promise<Child> =>
  startChild({
    name,
    command,
    args,
    env,
    logFile: tempLog(name),
    ready: ready ?? (async () => true),
    stopSignal: 'SIGKILL',
  })
