/**
 * The life of a process: `--help`, configuration, start, serve, stop on SIGTERM or SIGINT. Whatever is put on the stack by
 * `start` is closed in reverse order before the process exits with 0, also when it has not started yet; a fault at start or a
 * background failure exits with 1 after one line.
 */
import './small-heap.ts'
import { once } from 'node:events'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { z } from 'zod'
import { ConfigError, flagsAsEnv, helpText, readConfig } from './config.ts'
import { createLogger, type Logger, messageOf } from './logger.ts'

export type ProcessContext<Config> = {
  readonly config: Config
  readonly log: Logger
  readonly registry: Registry
  /** What is deferred or used here is closed on stop, last first. */
  readonly stack: AsyncDisposableStack
  /** Ends the process with exit code 1 and this reason: for a background task that can't go on. */
  readonly fail: (reason: string) => void
}

/** Longest clean stop; after it the process exits with 1. Kubernetes kills after 30 s. */
export const STOP_TIMEOUT_MS = 25_000

type Definition<Schema extends z.ZodObject> = {
  readonly name: string
  /** One or two sentences for `--help`. */
  readonly about: string
  readonly config: Schema
  readonly start: (context: ProcessContext<z.infer<Schema>>) => Promise<void>
}

const configure = <Schema extends z.ZodObject>({ name, about, config }: Definition<Schema>): z.infer<Schema> => {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    process.stdout.write(helpText(about, config))
    process.exit(0)
  }
  try {
    const flags = flagsAsEnv(config, process.argv.slice(2))
    return readConfig(config, { ...process.env, ...flags }) as z.infer<Schema>
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${name}: ${error.message}\n`)
    process.exit(2)
  }
}

const stop = async (stack: AsyncDisposableStack, log: Logger): Promise<number> => {
  const timer = setTimeout(() => {
    log.error(`not stopped within ${STOP_TIMEOUT_MS} ms`)
    process.exit(1)
  }, STOP_TIMEOUT_MS)
  try {
    await stack.disposeAsync()
    return 0
  } catch (error) {
    log.error({ err: error }, 'stop failed')
    return 1
  } finally {
    clearTimeout(timer)
  }
}

/** Runs the process to its end; never returns. */
export const runProcess = async <Schema extends z.ZodObject>(definition: Definition<Schema>): Promise<never> => {
  const config = configure(definition)
  const log = createLogger(definition.name, String(config.logLevel ?? 'info'))
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const stack = new AsyncDisposableStack()
  const failed = Promise.withResolvers<string>()
  const signal = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]).then(() => undefined)
  try {
    const starting = definition.start({ config, log, registry, stack, fail: failed.resolve })
    // It may wait for a server for ever, and then knows of no signal.
    await Promise.race([starting.then(() => log.info('started')), signal])
  } catch (error) {
    log.fatal(`could not start: ${messageOf(error)}`)
    await stop(stack, log)
    process.exit(1)
  }
  const reason = await Promise.race([signal, failed.promise])
  if (reason !== undefined) log.fatal(reason)
  const code = await stop(stack, log)
  log.info('stopped')
  process.exit(reason === undefined ? code : 1)
}
