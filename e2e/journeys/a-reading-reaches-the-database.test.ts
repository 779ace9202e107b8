import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Device } from '../kit/api-client.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { ROOT } from '../tools/paths.ts'

const STATIONS = { namespace: 'weather', name: 'stations' }
const CITIES = { namespace: 'climate', name: 'cities' }

const example = (name: string): string => readFileSync(join(ROOT, 'crds', 'examples', name), 'utf8')

let platform: Platform

before(async () => {
  platform = await startPlatform({
    manifests: { 'stations.yaml': example('stations.yaml'), 'cities.yaml': example('cities.yaml') },
    sharedPrefixes: ['sensors/=climate'],
  })
  await Promise.all([platform.untilReady(STATIONS), platform.untilReady(CITIES)])
})
after(() => platform[Symbol.asyncDispose]())

/** Publishes at QoS 1, each after the one before was acknowledged. */
const publish = async (device: Device, messages: readonly (readonly [topic: string, payload: string])[]) => {
  await using session = await platform.connect(device)
  for (const [topic, payload] of messages) await session.client.publishAsync(topic, payload, { qos: 1 })
}

const rowsOf = (device: Device, columns: string) => {
  const table = `${device.namespace}_${device.name}`
  return platform.sql(`select ${columns} from ${table} where device = '${device.device}' order by ts, digest`)
}

const untilRows = async (device: Device, columns: string, count: number) => {
  const what = `${count} rows of ${device.device}`
  await until(async () => (await rowsOf(device, columns)).length >= count, { what })
  return rowsOf(device, columns)
}

test('a JSON object is a row, with its own timestamp', async () => {
  const device = await platform.register(STATIONS, 'ballard')
  const ts = Date.now() - 60_000
  const payload = JSON.stringify({ ts, pressure: 1016.6, temperature: 4, wind: 3.8 })
  await publish(device, [['fleets/weather/stations/ballard/telemetry', payload]])
  assert.deepEqual(await untilRows(device, 'ts, pressure, temperature, wind', 1), [
    { ts: new Date(ts).toISOString().replace('Z', '000Z'), pressure: 1016.6, temperature: 4, wind: 3.8 },
  ])
})

test('one value per message is a row, with its arrival time', async () => {
  const device = await platform.register(CITIES, 'seattle')
  const sentMs = Date.now()
  await publish(device, [
    ['sensors/seattle/temp_max', '12.8'],
    ['sensors/seattle/weather', 'sun'],
  ])
  const rows = await untilRows(device, 'ts, temp_max, weather', 2)
  const values = rows.map(({ temp_max, weather }) => ({ temp_max, weather }))
  assert.deepEqual(values, [
    { temp_max: 12.8, weather: null },
    { temp_max: null, weather: 'sun' },
  ])
  for (const { ts } of rows) assert.ok(Math.abs(Date.parse(String(ts)) - sentMs) < 10_000)
})

test('a message sent again is the same row; another one with the same timestamp is a second row', async () => {
  const device = await platform.register(STATIONS, 'bellevue')
  const topic = 'fleets/weather/stations/bellevue/telemetry'
  const ts = Date.now() - 60_000
  const [cold, warm] = [4, 5].map((temperature) => JSON.stringify({ ts, temperature })) as [string, string]
  await publish(
    device,
    [cold, cold, warm, cold].map((payload) => [topic, payload] as const),
  )
  const rows = await untilRows(device, 'temperature', 2)
  assert.deepEqual(rows.map(({ temperature }) => temperature).sort(), [4, 5])
})

test("another device's topic is refused, and its readings stay untouched", async () => {
  const device = await platform.register(STATIONS, 'snoqualmie')
  await assert.rejects(
    publish(device, [['fleets/weather/stations/ballard/telemetry', '{"temperature": 99}']]),
    /not authorized/i,
  )
})
