import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tempDir } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import { ROOT } from '../tools/paths.ts'
import { run } from '../tools/run.ts'

const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const MAKEFILE = readFileSync(join(ROOT, 'Makefile'), 'utf8')
const START_MS = 90_000

type Started = AsyncDisposable & {
  readonly output: () => string
  /** Ctrl-C: the signal reaches the whole group. Resolves when it has ended. */
  readonly interrupt: () => Promise<void>
}

/** A command of make in a process group of its own, as in a terminal; it ends with us. */
const start = (args: readonly string[]): Started => {
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', 'make', ...args], { cwd: ROOT, detached: true })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk
    })
  const gone = once(child, 'exit')
  const interrupt = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), 'SIGINT')
    await gone
  }
  return { output: () => output, interrupt, [Symbol.asyncDispose]: interrupt }
}

/** The lines that the demo printed after a heading. */
const after = (output: string, heading: string): string => {
  const lines = output.split('\n')
  const command = lines[lines.findIndex((line) => line.startsWith(heading)) + 1]
  if (!command?.startsWith('  ')) throw new Error(`no command after "${heading}" in:\n${output}`)
  return command.trim()
}

const rowCounts = (output: string): Map<string, number> =>
  new Map([...output.matchAll(/^rows fleet=(\S+) n=(\d+)$/gm)].map(([, fleet, n]) => [fleet as string, Number(n)]))

const processesOf = async (folder: string): Promise<string> => (await run('pgrep', ['-af', folder])).output

test('every make command that the README names exists', () => {
  const targets = new Set([...MAKEFILE.matchAll(/^([a-z0-9-]+):.*##/gm)].map(([, target]) => target))
  const named = [...README.matchAll(/\bmake ([a-z0-9-]+)/g)].map(([, target]) => target)
  assert.ok(named.includes('demo') && named.includes('test'))
  assert.deepEqual(
    named.filter((target) => !targets.has(target)),
    [],
  )
})

test('the demo brings rows of every fleet, and its next start goes on with them', async () => {
  await using folder = tempDir('demo')
  const check = async () => {
    const { code, output } = await run('make', ['-C', ROOT, 'demo', 'CHECK=1', `DEMO_DATA=${folder.path}`])
    assert.equal(code, 0, output)
    return rowCounts(output)
  }
  const first = await check()
  const fleets = ['climate/cities', 'coldchain/reefers', 'lab/hosts', 'weather/stations']
  assert.deepEqual([...first.keys()].sort(), fleets)
  const second = await check()
  for (const [fleet, n] of first) assert.ok((second.get(fleet) ?? 0) > n, `${fleet}: ${n}, then ${second.get(fleet)}`)
  assert.equal(await processesOf(folder.path), '')
})

test('the four commands that the demo prints do what they say, and Ctrl-C stops everything', async () => {
  await using folder = tempDir('demo')
  await using demo = start(['demo', `DEMO_DATA=${folder.path}`])
  const what = () => `the guide in:\n${demo.output()}`
  await until(() => demo.output().includes('Ctrl-C stops everything'), {
    what: 'the guide',
    deadlineMs: START_MS,
  }).catch((error) => Promise.reject(new Error(`${error.message}\n${what()}`)))
  const text = demo.output()
  const environment = { ...process.env, DEMO_DATA: folder.path }
  const shell = (command: string) => run('bash', ['-c', `cd '${ROOT}' && ${command}`], environment)

  const published = await shell(after(text, 'Be a device'))
  assert.deepEqual(published, { code: 0, output: '' })
  const query = after(text, 'See it in the database')
  await until(async () => (await shell(query)).output.includes('"truck-1",4.2,"closed"'), { what: 'the reading' })

  const alerts = after(text, 'See what alerts fire')
  await until(async () => (await shell(alerts)).output.includes('"rule":"door-open"'), {
    what: 'the alert of the door',
    deadlineMs: 60_000,
  })

  const changed = await shell(after(text, 'Change a fleet'))
  assert.equal(changed.code, 0, changed.output)
  await until(async () => /reefers +True/.test((await shell('make status')).output), { what: 'reefers to be ready' })
  const added = query.replace('temperature', 'battery')
  await until(async () => (await shell(added)).output.includes('"battery"'), {
    what: 'the column of the new measurement',
  })

  await demo.interrupt()
  assert.match(demo.output(), /everything stopped/)
  assert.equal(await processesOf(folder.path), '')
})
