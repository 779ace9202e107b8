/**
 * A server as a child process that can be killed and started again. It dies with us however we die (`setpriv --pdeathsig` asks the
 * kernel for that), it has a process group of its own so that Ctrl-C reaches us alone, and it writes its log to a file by itself.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { tailOf } from './temp.ts'
import { until } from './until.ts'

export type ChildOptions = {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** The child's whole environment but PATH, HOME and TMPDIR, which it gets from us. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly logFile: string
  /** Rejects, or gives false, until the child does its work. */
  readonly ready: () => Promise<unknown>
  readonly readyMs?: number
  /** How to stop it on dispose: SIGTERM for a clean stop (default), SIGKILL when its data is thrown away anyway. */
  readonly stopSignal?: NodeJS.Signals
  /** Told when it ends without being asked to after it was ready; before that, `start` rejects. */
  readonly onDeath?: ((how: string) => void) | undefined
  /** Disposed of after it: the folder that it worked in. */
  readonly folder?: AsyncDisposable | undefined
}

export type Child = AsyncDisposable & {
  readonly name: string
  readonly logFile: string
  /** undefined while it is down. */
  readonly pid: number | undefined
  /** Starts it (again), on the same data and ports; resolves when it is ready. */
  start(): Promise<void>
  /** Resolves when it is gone. SIGKILL unless told otherwise. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

/** How long a service takes to stop cleanly at most: STOP_TIMEOUT_MS of its process/run.ts. Then it gives up and ends with a fault. */
export const SERVICE_STOP_MS = 25_000
const STOP_MS = SERVICE_STOP_MS + 5_000
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path))

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

const inherited = (): Record<string, string> =>
  Object.fromEntries(
    ['PATH', 'HOME', 'TMPDIR'].flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]]])),
  )

const spawnChild = ({ command, args, env, cwd, logFile }: ChildOptions): ChildProcess => {
  const [file, ...rest] = SETPRIV ? [SETPRIV, '--pdeathsig', 'KILL', '--', command, ...args] : [command, ...args]
  const log = openSync(logFile, 'a')
  try {
    return spawn(file as string, rest, {
      cwd,
      env: { ...inherited(), ...env },
      stdio: ['ignore', log, log],
      detached: true,
    })
  } finally {
    closeSync(log)
  }
}

const howItEnded = ({ exitCode, signalCode }: ChildProcess): string =>
  signalCode === null ? `exited with ${exitCode}` : `was ended by ${signalCode}`

class ManagedChild implements Child {
  readonly #options: ChildOptions
  #process: ChildProcess | undefined
  #wasReady = false

  constructor(options: ChildOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  get logFile(): string {
    return this.#options.logFile
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  async start(): Promise<void> {
    if (this.#process) throw new Error(`${this.name} is running already`)
    const { ready, readyMs = 30_000 } = this.#options
    const child = this.#spawn()
    await until(() => this.#process !== child || ready().then((is) => is !== false), {
      what: `${this.name} to be ready (its log: ${this.logFile})`,
      deadlineMs: readyMs,
    })
    this.#wasReady = this.#process === child
    if (!this.#wasReady)
      throw new Error(
        `${this.name} ${howItEnded(child)} before it was ready; the end of ${this.logFile}:\n${tailOf(this.logFile)}`,
      )
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process
    if (!child) return
    this.#process = undefined
    const gone = once(child, 'exit')
    const startMs = performance.now()
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(timer)
    const tookMs = performance.now() - startMs
    const gaveUp = child.signalCode === 'SIGKILL' || (child.exitCode !== 0 && tookMs >= SERVICE_STOP_MS)
    if (gaveUp && signal !== 'SIGKILL')
      throw new Error(
        `${this.name} ${howItEnded(child)} ${(tookMs / 1000).toFixed(1)} s after ${signal}; see ${this.logFile}`,
      )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.kill(this.#options.stopSignal ?? 'SIGTERM')
    } finally {
      await this.#options.folder?.[Symbol.asyncDispose]()
    }
  }

  #spawn(): ChildProcess {
    const child = spawnChild(this.#options)
    this.#wasReady = false
    this.#process = child
    running.add(child)
    child.once('error', (error) => this.#ended(child, `could not be started: ${error.message}`))
    child.once('exit', () => this.#ended(child, howItEnded(child)))
    return child
  }

  #ended(child: ChildProcess, how: string): void {
    running.delete(child)
    if (this.#process !== child) return
    this.#process = undefined
    if (this.#wasReady) this.#options.onDeath?.(how)
  }
}

/** Starts a child and waits until it is ready. */
export const startChild = async (options: ChildOptions): Promise<Child> => {
  const child = new ManagedChild(options)
  try {
    await child.start()
    return child
  } catch (error) {
    await child.kill().finally(() => options.folder?.[Symbol.asyncDispose]())
    throw error
  }
}
