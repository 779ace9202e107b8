/** Telegraf, built from the Go module with only the plugins that the bench needs, kept in `.cache/`. */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startChild } from '../kit/child.ts'
import { tempDir, tempLog } from '../kit/temp.ts'
import { ROOT } from '../tools/paths.ts'
import { run } from '../tools/run.ts'
import { type Bench, type Contender, columnsSql, TOPIC_FILTER } from './contender.ts'

const VERSION = 'v1.37.2'
const TAGS = 'custom,inputs.mqtt_consumer,outputs.influxdb_v2,parsers.json_v2,serializers.influx'
const CACHE = join(ROOT, '.cache')
const BINARY = join(CACHE, `telegraf-${VERSION}`)

const go = async (args: readonly string[]): Promise<string> => {
  const { code, output } = await run('go', args)
  if (code !== 0) throw new Error(`go ${args[0]} failed: ${output.trim().slice(-400)}`)
  return output
}

/** `go install` refuses the module (it has replacements), so a copy of its source is built. */
const build = async (): Promise<void> => {
  const { Dir } = JSON.parse(await go(['mod', 'download', '-json', `github.com/influxdata/telegraf@${VERSION}`]))
  const source = join(CACHE, 'telegraf-source')
  rmSync(source, { recursive: true, force: true })
  mkdirSync(CACHE, { recursive: true })
  cpSync(Dir, source, { recursive: true })
  await run('chmod', ['-R', 'u+w', source])
  await go(['build', '-C', source, '-tags', TAGS, '-o', `${BINARY}.part`, './cmd/telegraf'])
  renameSync(`${BINARY}.part`, BINARY)
  rmSync(source, { recursive: true, force: true })
}

/** Path of Telegraf's program, built on first use; why there is none otherwise. */
export const telegrafProgram = async (): Promise<{ path: string } | { missing: string }> => {
  if (existsSync(BINARY)) return { path: BINARY }
  if ((await run('go', ['version'])).code !== 0) return { missing: 'Go is not installed, so Telegraf can not be built' }
  try {
    await build()
    return { path: BINARY }
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) }
  }
}

const fillIn = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replace(/@(\w+)@/g, (_, key: string) => {
    const value = values[key]
    if (value === undefined) throw new Error(`telegraf.conf: nothing to fill in for @${key}@`)
    return value
  })

const configuration = (bench: Bench, own: { user: string; mqttPassword: string; table: string }): string => {
  const { mosquitto, questdb } = bench
  const words = readFileSync(join(import.meta.dirname, 'telegraf.conf'), 'utf8').replace(/^#.*\n/gm, '')
  return fillIn(words, {
    ...own,
    mqttUrl: `tcp://${mosquitto.host}:${mosquitto.port}`,
    topic: TOPIC_FILTER,
    tags: '_/device/_',
    questdbUrl: questdb.url,
    questdbAuthorization: `Basic ${btoa(`${questdb.user}:${questdb.password.value}`)}`,
  })
}

/** Its table has no dedup keys: a user of Telegraf has none either. */
export const startTelegraf = async (bench: Bench, program: string, devices: number): Promise<Contender> => {
  const { questdb } = bench
  const [user, table] = [`telegraf_${devices}`, `telegraf_${devices}`]
  const folder = tempDir('telegraf')
  const mqttPassword = await bench.user(user, { publish: [], subscribe: [TOPIC_FILTER] })
  await questdb.sql(`DROP TABLE IF EXISTS ${table}`)
  await questdb.sql(`CREATE TABLE ${table} (${columnsSql(devices)}) TIMESTAMP(ts) PARTITION BY DAY WAL`)
  const file = join(folder.path, 'telegraf.conf')
  writeFileSync(file, configuration(bench, { user, mqttPassword, table }), { mode: 0o600 })
  const logFile = tempLog('telegraf')
  const child = await startChild({
    name: 'telegraf',
    command: program,
    args: ['--config', file],
    logFile,
    ready: async () => readFileSync(logFile, 'utf8').includes('Connected ['),
    folder,
  })
  return {
    table,
    processes: { telegraf: { child, memory: true } },
    [Symbol.asyncDispose]: async () => {
      await child[Symbol.asyncDispose]()
      await bench.removeUser(user)
      await questdb.sql(`DROP TABLE IF EXISTS ${table}`)
    },
  }
}
