import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type ApiUnderTest, fleetDocument, startApiUnderTest } from './api-under-test.ts'
import { connectDevice, publishCode } from './mqtt-device.ts'

/** BULK_DEVICES=10000 takes a quarter of an hour or more on Mosquitto, whose cost grows with their square; CI takes some hundreds. */
const COUNT = Number(process.env.BULK_DEVICES ?? 300)
const DEVICES = '/v1/namespaces/cold/fleets/many/devices'
const NDJSON = { 'content-type': 'application/x-ndjson' }

type Report = {
  line: number
  status: number
  device?: string
  username?: string
  secret?: string
  problem?: { detail: string }
}

let under: ApiUnderTest

before(async () => {
  under = await startApiUnderTest()
  await under.putFleet(fleetDocument({ namespace: 'cold', name: 'many' }))
})
after(() => under[Symbol.asyncDispose]())

const post = async (text: string): Promise<Report[]> => {
  const answer = await under.send<string>('POST', DEVICES, { text, headers: NDJSON })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), 'application/x-ndjson')
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  return answer.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Report)
}

const rssMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

test(`${COUNT} devices in one request, each with a report line as it is done, in bounded memory`, async (t) => {
  const lines = Array.from({ length: COUNT }, (_, i) =>
    JSON.stringify({ device: `m-${i}`, labels: { batch: String(i % 10) } }),
  )
  const before = rssMb(under.api.pid as number)
  const started = performance.now()
  const report = await post(`${lines.join('\n')}\n`)
  const seconds = (performance.now() - started) / 1000
  const grown = rssMb(under.api.pid as number) - before
  t.diagnostic(`${COUNT} devices in ${seconds.toFixed(1)} s, api grew by ${grown.toFixed(0)} MB`)
  assert.deepEqual(
    report.map(({ line, status, device }) => ({ line, status, device })),
    lines.map((_, i) => ({ line: i + 1, status: 201, device: `m-${i}` })),
  )
  assert.equal(new Set(report.map(({ secret }) => secret)).size, COUNT)
  assert.ok(grown < 100)
  const last = report.at(-1) as Required<Report>
  await using device = await connectDevice({ url: under.mosquitto.url, username: last.username, password: last.secret })
  assert.equal(await publishCode(device.client, `fleets/cold/many/${last.device}/telemetry`), 0)
})

test('a line that fails says why and leaves nothing; the lines around it land', async () => {
  const text = [
    '{"device":"ok-1"}',
    '{"device":',
    '{"device":"bad id"}',
    '',
    '{"device":"ok-1"}',
    `{"device":"long","displayName":"${'x'.repeat(20_000)}"}`,
    '{"device":"ok-2","color":"red"}',
    '{"device":"ok-3","labels":{"a":"b"}}',
  ].join('\n')
  const report = await post(text)
  assert.deepEqual(
    report.map(({ line, status, device }) => [line, status, device]),
    [
      [1, 201, 'ok-1'],
      [2, 400, undefined],
      [3, 400, 'bad id'],
      [5, 409, 'ok-1'],
      [6, 413, undefined],
      [7, 400, 'ok-2'],
      [8, 201, 'ok-3'],
    ],
  )
  assert.match(report[2]?.problem?.detail ?? '', /line: device: must be letters/)
  assert.equal((await under.send('GET', `${DEVICES}/ok-2`)).status, 404)
  assert.equal((await under.send('GET', `${DEVICES}/ok-3`)).status, 200)
})

test('lines beyond 10,000 are not taken, and the report says where to go on', async () => {
  const report = await post(`${'\n'.repeat(9_999)}{"device":"last"}\n{"device":"beyond"}\n`)
  assert.deepEqual(
    report.map(({ line, status, device }) => [line, status, device]),
    [
      [10_000, 201, 'last'],
      [10_001, 413, undefined],
    ],
  )
  assert.equal((await under.send('GET', `${DEVICES}/beyond`)).status, 404)
})
