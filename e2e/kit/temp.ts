/**
 * One folder per test process: data below `<name>-<n>/`, thrown away when done, and logs below `logs/`, kept until the
 * process ends. When it fails, the end of each log is shown and the folder stays.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

const LINES_SHOWN = 25
const STDERR = 2

let root: string | undefined
let count = 0
const logs = new Set<string>()

const rootFolder = (): string => {
  if (root === undefined) {
    root = mkdtempSync(join(tmpdir(), 'fleetloom-test-'))
    mkdirSync(join(root, 'logs'))
  }
  return root
}

/** A folder of one's own, removed on dispose. */
export const tempDir = (name = 'dir'): AsyncDisposable & { readonly path: string } => {
  const path = join(rootFolder(), `${name}-${++count}`)
  mkdirSync(path)
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) }
}

/** A log file that is shown when this process fails. */
export const tempLog = (name: string): string => {
  const file = join(rootFolder(), 'logs', `${name}-${++count}.log`)
  logs.add(file)
  return file
}

/** A folder of logs, which is kept when this process fails. */
export const tempLogFolder = (name: string): string => {
  const folder = join(rootFolder(), 'logs', `${name}-${++count}`)
  mkdirSync(folder)
  return folder
}

/** The last lines of a log file; '' when there is none. */
export const tailOf = (file: string, lines = LINES_SHOWN): string => {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  } catch {
    return ''
  }
}

process.once('exit', (code) => {
  if (root === undefined) return
  if (code === 0) return rmSync(root, { recursive: true, force: true })
  for (const file of logs) {
    const tail = tailOf(file)
    if (tail !== '') writeSync(STDERR, `--- end of ${basename(file)}\n${tail}\n`)
  }
  writeSync(STDERR, `--- all logs: ${join(root, 'logs')}\n`)
})
