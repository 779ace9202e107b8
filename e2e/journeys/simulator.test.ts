/** The simulator registers its devices by itself, plays them into the tables, and goes on after a restart of anything. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { devicesPath } from '../kit/api-client.ts'
import { type Child, startChild } from '../kit/child.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { freePort } from '../kit/ports.ts'
import { nodeEnv } from '../kit/services.ts'
import { tempDir, tempLog } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import { ROOT } from '../tools/paths.ts'

const FLEETS = {
  weather_stations: { namespace: 'weather', name: 'stations' },
  climate_cities: { namespace: 'climate', name: 'cities' },
  lab_hosts: { namespace: 'lab', name: 'hosts' },
} as const

type Table = keyof typeof FLEETS

const TABLES = Object.keys(FLEETS) as Table[]

const example = (file: string): string => readFileSync(join(ROOT, 'crds', 'examples', file), 'utf8')

let platform: Platform
let simulator: Child
const folder = tempDir('simulator')
const stateFile = join(folder.path, 'state', 'simulator.json')

before(async () => {
  platform = await startPlatform({
    manifests: Object.fromEntries(['stations.yaml', 'cities.yaml', 'hosts.yaml'].map((file) => [file, example(file)])),
    sharedPrefixes: ['sensors/=climate'],
  })
  const port = await freePort()
  simulator = await startChild({
    name: 'simulator',
    command: process.execPath,
    args: [join(ROOT, 'services', 'simulator', 'src', 'main.ts')],
    env: {
      ...nodeEnv,
      HTTP_PORT: String(port),
      API_URL: platform.api.url,
      API_KEY_FILE: platform.adminKeyFile,
      MQTT_URL: platform.mosquitto.url,
      STATE_FILE: stateFile,
      SPEED: '36000',
      HOST_INTERVAL_MS: '1000',
    },
    logFile: tempLog('simulator'),
    ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
  })
})

after(async () => {
  await simulator?.[Symbol.asyncDispose]()
  await platform?.[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

const countOf = async (table: Table): Promise<number> => {
  const [row] = await platform.sql<{ n: number }>(`SELECT count() n FROM ${table}`)
  return row?.n ?? 0
}

/** Waits until every table has rows that it has not now. */
const untilNewRows = async (deadlineMs = 60_000): Promise<void> => {
  const before = await Promise.all(TABLES.map((table) => countOf(table).catch(() => 0)))
  for (const [i, table] of TABLES.entries()) {
    const grown = async () => (await countOf(table)) > (before[i] as number)
    await until(grown, { what: `new rows in ${table}`, deadlineMs, everyMs: 200 })
  }
}

const devicesOf = async (table: Table): Promise<string[]> => {
  type Page = { items: { device: string }[] }
  const { items } = await platform.call<Page>('GET', devicesPath(FLEETS[table]))
  return items.map(({ device }) => device).sort()
}

test('every fleet gets the readings of its devices, with timestamps close to now', async () => {
  await untilNewRows()
  const stations = ['ballard', 'bellevue', 'capitol-hill', 'snoqualmie', 'west-seattle']
  // A device whose fleet was not there yet comes back a moment later.
  const allCame = async () => isDeepStrictEqual(await devicesOf('weather_stations'), stations)
  await until(allCame, { what: 'every station to be registered', deadlineMs: 30_000 })
  const [weather] = await platform.sql(
    `SELECT min(pressure) > 1000 AND max(pressure) < 1030 pressure, min(temperature) > -5 AND max(temperature) < 30 temperature,
            max(ts) > dateadd('s', -30, now()) fresh, min(ts) > dateadd('m', -5, now()) recent FROM weather_stations`,
  )
  assert.deepEqual(weather, { pressure: true, temperature: true, fresh: true, recent: true })
  const [host] = await platform.sql('SELECT device, min(memory_used) > 0 memory, min(load) >= 0 load FROM lab_hosts')
  assert.deepEqual(host, { device: 'this-machine', memory: true, load: true })
})

test('cities tell one measurement a message, text among them', async () => {
  const known = ['drizzle', 'fog', 'rain', 'snow', 'sun']
  const texts = async () => {
    const rows = await platform.sql<{ device: string; weather: string }>(
      'SELECT DISTINCT device, weather FROM climate_cities WHERE weather IS NOT NULL',
    )
    assert.ok(rows.every(({ weather }) => known.includes(weather)))
    return new Set(rows.map(({ device }) => device)).size === 2
  }
  await until(texts, { what: 'the weather of both cities' })
})

test('secrets are kept in a file for its owner alone, and a restart goes on with them', async () => {
  const state = readFileSync(stateFile, 'utf8')
  assert.equal(statSync(stateFile).mode & 0o777, 0o600)
  await simulator.kill('SIGTERM')
  await simulator.start()
  await untilNewRows()
  assert.equal(readFileSync(stateFile, 'utf8'), state)
})

test('a restart of the broker interrupts it only for a moment', async () => {
  await platform.mosquitto.kill('SIGTERM')
  await platform.mosquitto.start()
  await untilNewRows()
})

test('without its file it gives its devices new secrets and registers none twice', async () => {
  const devices = await Promise.all(TABLES.map(devicesOf))
  await simulator.kill('SIGTERM')
  rmSync(stateFile)
  await simulator.start()
  await untilNewRows()
  assert.deepEqual(await Promise.all(TABLES.map(devicesOf)), devices)
})
