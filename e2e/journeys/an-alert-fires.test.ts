/** From a reading to an alert and back: a rule is applied, a device crosses its threshold, and everybody who should know does. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Device } from '../kit/api-client.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

const FLEET = { namespace: 'coldchain', name: 'reefers' }

const fleetYaml = `
apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: { name: reefers, namespace: coldchain }
spec:
  measurements: [{ name: temperature, type: Double }, { name: door, type: Symbol }]
  storage: { rollups: [] }
`

const ruleYaml = (name: string, spec: string): string => `
apiVersion: fleetloom.io/v1alpha1
kind: AlertRule
metadata: { name: ${name}, namespace: coldchain }
spec: { fleet: reefers, ${spec} }
`

let platform: Platform
let device: Device

before(async () => {
  platform = await startPlatform({ manifests: { 'reefers.yaml': fleetYaml } })
  await platform.untilReady(FLEET)
  device = await platform.register(FLEET, 'r-1')
})

after(() => platform[Symbol.asyncDispose]())

type Row = { readonly from: string; readonly to: string; readonly device: string; readonly value: number | null }

const history = (rule: string): Promise<Row[]> =>
  platform.sql<Row>(`SELECT "from", "to", device, value FROM alerts WHERE rule = '${rule}' ORDER BY ts`).catch(() => [])

const untilHistory = (rule: string, expected: readonly Row[]): Promise<unknown> =>
  until(
    async () => {
      const rows = await history(rule)
      if (rows.length < expected.length) throw new Error(JSON.stringify(rows))
      assert.deepEqual(rows, expected)
      return true
    },
    { what: `the history of ${rule}`, deadlineMs: 30_000 },
  )

const publisher = async () => {
  const session = await platform.connect(device)
  let ts = Date.now()
  return {
    send: (reading: object) => {
      ts = Math.max(ts + 1, Date.now())
      const body = JSON.stringify({ ...reading, ts })
      return session.client.publishAsync('fleets/coldchain/reefers/r-1/telemetry', body, { qos: 1 })
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  }
}

/** The operator says of a rule that the alerter judges it. */
const untilJudged = (rule: string): Promise<unknown> =>
  until(
    async () => {
      const page = await (await fetch(`${platform.operator.url}/status`, { headers: { accept: 'text/html' } })).text()
      return page.includes(rule)
    },
    { what: `rule ${rule} to be judged` },
  )

test('a reading above the threshold fires, one below resolves, each once', async () => {
  platform.apply('hot.yaml', ruleYaml('hot', `when: "last(temperature) > 8.0", clearWhen: "last(temperature) < 7.0"`))
  await untilJudged('hot')
  await sleep(3000)
  await using one = await publisher()
  for (const temperature of [5, 9, 7.5, 9.5, 6, 5]) await one.send({ temperature })
  await untilHistory('hot', [
    { from: 'inactive', to: 'firing', device: 'r-1', value: 9 },
    { from: 'firing', to: 'resolved', device: 'r-1', value: 6 },
  ])
})
