/** Numbered events flow while ingest and writer are killed again and again: each is in the events table exactly once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { namesOf } from '@fleetloom/crds/names'
import { startLoad } from '@fleetloom/simulator/load/load'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { balanceLine, balanceOf } from './ledger.ts'

const FLEET = { namespace: 'chaos', name: 'doors' }
const EVENTS = 20_000
const RATE = 2_000
const ROUNDS = 3

const MANIFEST = `apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: { name: ${FLEET.name}, namespace: ${FLEET.namespace} }
spec:
  measurements: [{ name: open, type: Boolean }]
  stream: { maxBytes: 64Mi, keep: 1h }
  storage: { rollups: [] }
  limits: { messagesPerSecond: 10000 }
`

test('SIGKILL of ingest and writer loses no event and doubles none', async () => {
  await using platform = await startPlatform({ manifests: { 'doors.yaml': MANIFEST } })
  await platform.untilReady(FLEET)
  const devices = []
  for (let i = 0; i < 20; i++) devices.push(await platform.register(FLEET, `door-${i}`))
  const load = await startLoad({
    port: platform.mosquitto.port,
    logins: devices.map(({ username, password }) => ({ clientId: username, username, password })),
    devices: devices.map(({ device }) => device),
    topicOf: (device) => `fleets/${FLEET.namespace}/${FLEET.name}/${device}/events`,
    payload: (number, atMicros) =>
      `{"type":"opened","severity":"low","user":"${number}","metadata":{"n":${number}},"ts":${Math.floor(atMicros / 1000)}}`,
    count: EVENTS,
    rate: RATE,
    reconnect: true,
  })
  for (let round = 0; round < ROUNDS; round++)
    for (const victim of [platform.ingest, platform.writer]) {
      await sleep(300 + Math.random() * 700)
      await victim.kill('SIGKILL')
      await victim.start()
    }
  const result = await load.done
  const where = { table: namesOf().eventsTable(FLEET.namespace), column: 'user' }
  const balance = await until(
    async () => {
      const now = await balanceOf(platform.sql, where, result)
      if (now.missing.length > 0) throw new Error(balanceLine(now))
      return now
    },
    { what: 'all events', deadlineMs: 60_000, everyMs: 500 },
  )
  assert.equal(balance.acknowledged, EVENTS)
  assert.deepEqual([balance.missing, balance.invented, balance.duplicates], [[], [], 0], balanceLine(balance))
})
