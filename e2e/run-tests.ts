/**
 * Runs the tests of the given suites (`unit`, `journeys`, `cluster`) and ends with one line, `N passed, N failed`. A line a file while
 * it runs; details only of what fails. Usage: node e2e/run-tests.ts SUITE… [--only TEXT]
 */
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { parseArgs } from 'node:util'
import { buildCluster, canBuild } from './cluster/build.ts'

const ROOT = join(import.meta.dirname, '..')

/** Builds what the cluster's journeys need; tells why it can't. */
const prepareCluster = async (): Promise<string | undefined> => {
  if (!(await canBuild())) return 'Go is not installed, which a Kubernetes is built with here: https://go.dev/dl'
  await buildCluster()
  return undefined
}

type SuiteOptions = {
  readonly files: readonly string[]
  readonly concurrency: number
  /** Runs before the first file; gives the reason when the suite has to be skipped. */
  readonly prepare?: () => Promise<string | undefined>
}

const SUITES = {
  unit: {
    files: ['crds/**/*.test.ts', 'operator/**/*.test.ts', 'services/**/*.test.ts', 'e2e/{bench,cluster}/*.test.ts'],
    concurrency: availableParallelism(),
  },
  cluster: { files: ['e2e/cluster-journeys/*.test.ts'], concurrency: 2, prepare: prepareCluster },
  journeys: { files: ['e2e/kit/*.test.ts', 'e2e/journeys/*.test.ts'], concurrency: 2 },
} as const satisfies Record<string, SuiteOptions>

type Suite = keyof typeof SUITES
type Tally = { passed: number; failed: number; skipped: number }
type FileReport = Tally & { readonly details: string[]; stderr: string }

const isSuite = (name: string): name is Suite => name in SUITES
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const filesOf = (suite: Suite, only: string | undefined): string[] =>
  globSync([...SUITES[suite].files], { cwd: ROOT })
    .filter((file) => !file.includes('node_modules') && (only === undefined || file.includes(only)))
    .sort()
    .map((file) => join(ROOT, file))

/** What a test threw; where the end of what it used failed as well, that comes behind it. */
const textOf = (error: unknown): string => {
  const { suppressed, error: later } = (error ?? {}) as Partial<SuppressedError>
  if (suppressed !== undefined) return `${textOf(suppressed)}\nand while it ended: ${textOf(later)}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

const explain = (name: string, error: unknown): string => {
  const text = textOf(error instanceof Error && error.cause ? error.cause : error)
  return `    ✗ ${name}\n${text.replace(/^/gm, '      ')}`
}

type Completed = {
  readonly name: string
  readonly file?: string
  readonly skip?: string | boolean
  readonly details: {
    readonly passed?: boolean
    readonly type?: string
    readonly duration_ms: number
    readonly error?: unknown
  }
}

/** What happened in each file, printed when the file is done: the file itself is the last of its tests to complete. */
class Report {
  readonly total: Tally = { passed: 0, failed: 0, skipped: 0 }
  /** What failed, for the end of the output, which is what one sees of a long log. */
  readonly failures: string[] = []
  readonly #files = new Map<string, FileReport>()

  completed(event: Completed): void {
    const { name, file = '', skip, details } = event
    const report = this.#of(file)
    if (name === file) this.#fileDone(file, event)
    else if (details.type === 'suite') return
    else if (details.error !== undefined) this.#failed(report, name, details.error)
    else if (skip !== undefined && skip !== false) this.#skipped(report, name, skip)
    else report.passed++
  }

  wrote(file: string, text: string): void {
    this.#of(file).stderr += text
  }

  /** What failed files wrote to stderr: the ends of the servers' logs among it. */
  showErrors(): void {
    for (const [file, { failed, stderr }] of this.#files)
      if (failed > 0 && stderr !== '') say(`  ${relative(ROOT, file)}:\n${stderr.trimEnd().replace(/^/gm, '    ! ')}`)
    this.#files.clear()
  }

  #failed(report: FileReport, name: string, error: unknown): void {
    report.failed++
    report.details.push(explain(name, error))
  }

  #skipped(report: FileReport, name: string, reason: string | true): void {
    report.skipped++
    report.details.push(`    - skipped: ${name}${reason === true ? '' : ` (${reason})`}`)
  }

  /** A file that failed though none of its tests did ended too early, or not at all: it counts as a failure of its own. */
  #fileDone(file: string, { details: { error, duration_ms } }: Completed): void {
    const report = this.#of(file)
    if (error !== undefined && report.failed === 0) this.#failed(report, 'the file did not end as it should', error)
    const { passed, failed, skipped, details } = report
    say(`  ${failed > 0 ? '✗' : '✓'} ${relative(ROOT, file)} (${passed} in ${(duration_ms / 1000).toFixed(1)} s)`)
    for (const detail of details) say(detail)
    if (failed > 0) this.failures.push(`  ✗ ${relative(ROOT, file)}`, ...details)
    this.total.passed += passed
    this.total.failed += failed
    this.total.skipped += skipped
  }

  #of(file: string): FileReport {
    const report = this.#files.get(file) ?? { passed: 0, failed: 0, skipped: 0, details: [], stderr: '' }
    this.#files.set(file, report)
    return report
  }
}

/** A file that left something open would never end: it is stopped. (`forceExit` would lose reports that are still on their way.) */
const FILE_TIMEOUT_MS = (process.env.FLEETLOOM_FULL === '1' ? 60 : 10) * 60_000

const runFile = async (file: string, report: Report): Promise<void> => {
  const stream = run({ files: [file], cwd: ROOT, signal: AbortSignal.timeout(FILE_TIMEOUT_MS) })
  stream.on('test:complete', (event) => report.completed(event))
  stream.on('test:stdout', ({ message }) => process.stdout.write(message.replace(/^(?=.)/gm, '    | ')))
  stream.on('test:stderr', ({ message }) => report.wrote(file, message))
  await finished(stream.resume())
}

const runSuite = async (suite: Suite, report: Report, only: string | undefined): Promise<void> => {
  const files = filesOf(suite, only)
  if (files.length === 0) return
  const { prepare, concurrency }: SuiteOptions = SUITES[suite]
  const reason = await prepare?.()
  if (reason !== undefined) {
    say(`  - skipped: ${reason}`)
    report.total.skipped += files.length
    return
  }
  const waiting = [...files]
  const runThem = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await runFile(file, report)
  }
  await Promise.all(Array.from({ length: concurrency }, runThem))
  report.showErrors()
}

/** The tests' processes keep what they compiled for the next run. */
process.env.NODE_COMPILE_CACHE ??= join(ROOT, '.cache', 'compile')

const { positionals, values } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } })
const unknown = positionals.filter((name) => !isSuite(name))
if (positionals.length === 0 || unknown.length > 0) {
  process.stderr.write(`usage: node e2e/run-tests.ts SUITE… [--only TEXT]; suites: ${Object.keys(SUITES).join(', ')}\n`)
  process.exit(2)
}
const report = new Report()
for (const suite of positionals.filter(isSuite)) {
  say(`${suite}:`)
  await runSuite(suite, report, values.only)
}
if (report.failures.length > 0) say(['failed:', ...report.failures].join('\n'))
const { passed, failed, skipped } = report.total
say(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(failed > 0 || passed + skipped === 0 ? 1 : 0)
