/**
 * Runs the tests of the given suites (`unit`, `journeys`) and ends with one line, `N passed, N failed`. A line a file while
 * it runs; details only of what fails. Usage: node e2e/run-tests.ts SUITE… [--only TEXT]
 */
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { parseArgs } from 'node:util'

const ROOT = join(import.meta.dirname, '..')

const SUITES = {
  unit: {
    files: ['crds/**/*.test.ts', 'operator/**/*.test.ts', 'services/**/*.test.ts'],
    concurrency: availableParallelism(),
  },
  journeys: { files: ['e2e/kit/*.test.ts', 'e2e/journeys/*.test.ts'], concurrency: 2 },
} as const

type Suite = keyof typeof SUITES
type Tally = { passed: number; failed: number; skipped: number }
type FileReport = Tally & { readonly details: string[] }

const isSuite = (name: string): name is Suite => name in SUITES
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const filesOf = (suite: Suite, only: string | undefined): string[] =>
  globSync([...SUITES[suite].files], { cwd: ROOT })
    .filter((file) => !file.includes('node_modules') && (only === undefined || file.includes(only)))
    .sort()
    .map((file) => join(ROOT, file))

const explain = (name: string, error: unknown): string => {
  const cause = error instanceof Error && error.cause ? error.cause : error
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
  return `    ✗ ${name}\n${text.replace(/^/gm, '      ')}`
}

type TestEvent = {
  readonly name: string
  readonly file?: string
  readonly skip?: string | boolean
  readonly details: { readonly type?: string; readonly error?: unknown }
}

/** A file's own entry repeats its tests; it counts only when it failed without any of them failing. */
const isFileItself = ({ name, file }: TestEvent): boolean => name === file || join(ROOT, name) === file

/** What happened in each file, printed when the file is done. */
class Report {
  readonly total: Tally = { passed: 0, failed: 0, skipped: 0 }
  readonly #files = new Map<string, FileReport>()

  passed(event: TestEvent): void {
    if (isFileItself(event) || event.details.type === 'suite') return
    const report = this.#of(event)
    if (event.skip === undefined || event.skip === false) report.passed++
    else {
      report.skipped++
      report.details.push(`    - skipped: ${event.name}${typeof event.skip === 'string' ? ` (${event.skip})` : ''}`)
    }
  }

  failed(event: TestEvent): void {
    const report = this.#of(event)
    if (event.details.type === 'suite' || (isFileItself(event) && report.failed > 0)) return
    report.failed++
    report.details.push(explain(event.name, event.details.error))
  }

  fileDone(file: string, durationMs: number): void {
    const { passed, failed, skipped, details } = this.#of({ file })
    say(`  ${failed > 0 ? '✗' : '✓'} ${relative(ROOT, file)} (${passed} in ${(durationMs / 1000).toFixed(1)} s)`)
    for (const detail of details) say(detail)
    this.total.passed += passed
    this.total.failed += failed
    this.total.skipped += skipped
  }

  #of({ file = '' }: { readonly file?: string }): FileReport {
    const report = this.#files.get(file) ?? { passed: 0, failed: 0, skipped: 0, details: [] }
    this.#files.set(file, report)
    return report
  }
}

const runSuite = async (suite: Suite, report: Report, only: string | undefined): Promise<void> => {
  const files = filesOf(suite, only)
  if (files.length === 0) return
  const stream = run({ files, concurrency: SUITES[suite].concurrency, cwd: ROOT })
  stream.on('test:pass', (event) => report.passed(event))
  stream.on('test:fail', (event) => report.failed(event))
  stream.on('test:stdout', ({ message }) => process.stdout.write(message.replace(/^(?=.)/gm, '    | ')))
  stream.on('test:summary', ({ file, duration_ms }) => file !== undefined && report.fileDone(file, duration_ms))
  await finished(stream.resume())
}

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
const { passed, failed, skipped } = report.total
say(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
