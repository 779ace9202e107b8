/** What docs/devices.md says is so: its commands run, its clients work, its tables are what the servers do. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { DEAD_LETTER_REASONS } from '@fleetloom/shared/dead-letters/reasons'
import type { Device } from '../kit/api-client.ts'
import { connectMqtt } from '../kit/mqtt.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { ROOT, VENV } from '../tools/paths.ts'
import { type Finished, run } from '../tools/run.ts'

const DOC = readFileSync(join(ROOT, 'docs', 'devices.md'), 'utf8')
const REEFERS = { namespace: 'coldchain', name: 'reefers' }
const CITIES = { namespace: 'climate', name: 'cities' }

const example = (file: string): string => readFileSync(join(ROOT, 'crds', 'examples', file), 'utf8')

/** Shell commands under a heading; the ones that only set variables are left out. */
const commandsUnder = (heading: string): string[] => {
  const section = DOC.slice(DOC.indexOf(`\n## ${heading}\n`)).split('\n## ')[1] ?? ''
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)]
    .map(([, code = '']) => code)
    .filter((c) => !c.startsWith('export'))
}

let platform: Platform
let truck: Device

before(async () => {
  platform = await startPlatform({
    manifests: { 'reefers.yaml': example('reefers.yaml'), 'cities.yaml': example('cities.yaml') },
    sharedPrefixes: ['sensors/=climate'],
  })
  await Promise.all([platform.untilReady(REEFERS), platform.untilReady(CITIES)])
  truck = await platform.register(REEFERS, 'truck-7')
})

after(() => platform?.[Symbol.asyncDispose]())

const shell = (command: string, device: Device): Promise<Finished> =>
  run('bash', ['-euo', 'pipefail', '-c', `cd '${ROOT}' && ${command}`], {
    PATH: [join(VENV, 'bin'), dirname(process.execPath), process.env.PATH].join(delimiter),
    BROKER_HOST: platform.mosquitto.host,
    BROKER_PORT: String(platform.mosquitto.port),
    DEVICE_USER: device.username,
    DEVICE_SECRET: device.password,
  })

const rows = (table: string, column: string, device: string) =>
  platform.sql<{ value: number | string; n: number }>(
    `SELECT ${column} value, count() n FROM ${table} WHERE device = '${device}' AND ${column} IS NOT NULL ORDER BY value`,
  )

const untilRows = (table: string, column: string, device: string, wanted: readonly [unknown, number][]) =>
  until(
    async () => {
      const found = (await rows(table, column, device)).map(({ value, n }) => [value, n])
      assert.deepEqual(found, wanted)
      return true
    },
    { what: `rows of ${device} in ${table}`, deadlineMs: 20_000 },
  )

test('the table of reasons is the one in the code', () => {
  const table = [...DOC.matchAll(/^\| `([a-z_]+)` \| (.*) \|$/gm)].map(([, reason, hint]) => [reason, hint])
  const ofMessages = Object.entries(DEAD_LETTER_REASONS).filter(([reason]) => !reason.startsWith('notification_'))
  assert.deepEqual(table, ofMessages)
})

test('every command of the page runs, and what it publishes is in the table', async () => {
  for (const command of commandsUnder('Clients')) {
    const { code, output } = await shell(command, truck)
    assert.equal(code, 0, `${command}\n${output}`)
  }
  await untilRows('coldchain_reefers', 'temperature', 'truck-7', [
    [4.2, 1],
    [4.3, 1],
    [4.4, 3],
    [4.5, 3],
  ])
})

test('both clients tell a rejected reading, with reason, field and hint', async () => {
  const arguments_ = `--port "$BROKER_PORT" --username "$DEVICE_USER" --fleet reefers --count 1 --every 0 --linger 3`
  const clients = { 'truck-py': 'python3 e2e/clients/device.py', 'truck-js': 'node e2e/clients/device.mjs' }
  for (const [id, client] of Object.entries(clients)) {
    const device = await platform.register(REEFERS, id)
    const { code, output } = await shell(`${client} ${arguments_} --reading '{"temperature": "warm"}'`, device)
    assert.equal(code, 1, output)
    assert.match(output, /Success/)
    assert.ok(output.includes(`rejected: wrong_type temperature: ${DEAD_LETTER_REASONS.wrong_type}`), output)
  }
})

test('a client that may not log in, or not publish, says so', async () => {
  const stranger = { ...truck, password: 'wrong' }
  const clients = ['python3 e2e/clients/device.py', 'node e2e/clients/device.mjs']
  for (const client of clients) {
    const rest = `--port "$BROKER_PORT" --username "$DEVICE_USER" --count 1 --every 0`
    const refused = await shell(`${client} ${rest} --fleet reefers`, stranger)
    assert.notEqual(refused.code, 0)
    assert.match(refused.output, /not let in: .*Not authorized/)
    const foreign = await shell(`${client} ${rest} --fleet other`, truck)
    assert.notEqual(foreign.code, 0)
    assert.match(foreign.output, /refused: .*Not authorized/)
  }
})

test('the message on the errors topic has the fields that the page shows', async () => {
  const device = await platform.register(REEFERS, 'truck-8')
  await using session = await connectMqtt({ url: platform.mosquitto.url, ...device })
  const base = 'fleets/coldchain/reefers/truck-8'
  await session.client.subscribeAsync(`${base}/errors`)
  const heard: string[] = []
  session.client.on('message', (_, payload) => heard.push(payload.toString()))
  await session.client.publishAsync(`${base}/telemetry`, '{"temperature": "warm"}', { qos: 1 })
  const { at: _, ...shown } = JSON.parse(/```json\n(\{\n[\s\S]*?\})\n```/.exec(DOC)?.[1] ?? '{}')
  const { at, ...word } = JSON.parse(await until(() => heard[0], { what: 'the message on the errors topic' }))
  assert.deepEqual(word, { ...shown, topic: `${base}/telemetry` })
  assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

test('each quality of service, and a retained message, is one row', async () => {
  const device = await platform.register(REEFERS, 'truck-9')
  await using session = await connectMqtt({ url: platform.mosquitto.url, ...device })
  const send = (temperature: number, options: { qos: 0 | 1 | 2; retain?: boolean }) =>
    session.client.publishAsync(
      'fleets/coldchain/reefers/truck-9/telemetry',
      JSON.stringify({ ts: Date.now(), temperature }),
      options,
    )
  for (const qos of [0, 1, 2] as const) await send(qos, { qos })
  await send(3, { qos: 1, retain: true })
  const four: [number, number][] = [0, 1, 2, 3].map((value) => [value, 1])
  await untilRows('coldchain_reefers', 'temperature', 'truck-9', four)
  await platform.ingest.kill('SIGTERM')
  await platform.ingest.start()
  await send(4, { qos: 1 })
  await untilRows('coldchain_reefers', 'temperature', 'truck-9', [...four, [4, 1]])
})

test('a will is published with the rights of the device', async () => {
  const device = await platform.register(REEFERS, 'truck-10')
  const dieWith = async (topic: string, temperature: number) => {
    const payload = Buffer.from(JSON.stringify({ ts: Date.now(), temperature }))
    const will = { topic, payload, qos: 1, retain: false } as const
    await using session = await connectMqtt({ url: platform.mosquitto.url, ...device }, { will })
    session.client.stream.destroy()
  }
  await dieWith('fleets/coldchain/reefers/truck-9/telemetry', 66)
  await dieWith('fleets/coldchain/reefers/truck-10/telemetry', 7)
  await untilRows('coldchain_reefers', 'temperature', 'truck-10', [[7, 1]])
  const foreign = await platform.sql("SELECT ts FROM coldchain_reefers WHERE device = 'truck-9' AND temperature = 66")
  assert.deepEqual(foreign, [])
})

test('scalar messages, bare and with a timestamp, are stored', async () => {
  const device = await platform.register(CITIES, 'seattle')
  await using session = await connectMqtt({ url: platform.mosquitto.url, ...device })
  const send = (measurement: string, payload: string) =>
    session.client.publishAsync(`sensors/seattle/${measurement}`, payload, { qos: 1 })
  await send('temp_max', '12.8')
  await send('temp_max', `{"value": 12.9, "ts": ${Date.now()}}`)
  await send('weather', 'sun')
  await untilRows('climate_cities', 'temp_max', 'seattle', [
    [12.8, 1],
    [12.9, 1],
  ])
  await untilRows('climate_cities', 'weather', 'seattle', [['sun', 1]])
})
