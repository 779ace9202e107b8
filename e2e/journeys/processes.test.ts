/** What every process of ours has in common, whatever it does. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../tools/paths.ts'
import { run } from '../tools/run.ts'

const MAINS = {
  operator: 'operator/src/main.ts',
  ingest: 'services/ingest/src/main.ts',
  writer: 'services/writer/src/main.ts',
  api: 'services/api/src/main.ts',
  simulator: 'services/simulator/src/main.ts',
} as const

const start = (main: string, args: readonly string[], env: Record<string, string> = {}) =>
  run(process.execPath, [join(ROOT, main), ...args], { PATH: process.env.PATH ?? '', ...env })

for (const [name, main] of Object.entries(MAINS)) {
  test(`${name} --help lists each variable with its meaning and default`, async () => {
    const { code, output } = await start(main, ['--help'])
    assert.equal(code, 0, output)
    assert.match(output, /^ {2}HTTP_PORT +.*port.+\(default \d+\)$/m)
    const bare = output.split('\n').filter((line) => /^ {2}[A-Z_]+ +\(/.test(line))
    assert.deepEqual(bare, [], 'each variable says what it is')
  })

  test(`${name} with a wrong configuration ends with one line that names every fault`, async () => {
    const { code, output } = await start(main, [], { HTTP_PORT: 'eighty', LOG_LEVEL: 'loud' })
    assert.notEqual(code, 0)
    assert.equal(output.trim().split('\n').length, 1, output)
    assert.match(output, /HTTP_PORT="eighty": .+LOG_LEVEL="loud": /)
    assert.doesNotMatch(output, /\n {4}at /, 'no stack trace')
  })

  test(`${name} refuses a flag it does not know and names those it does`, async () => {
    const { code, output } = await start(main, ['--htp-port', '1'])
    assert.notEqual(code, 0)
    assert.match(output, /unknown argument --htp-port; the flags are .*--http-port/)
  })
}
