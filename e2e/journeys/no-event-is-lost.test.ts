/**
 * Numbered events flow while ingest and writer are killed again and again: each is in the events table exactly once, and counters
 * that are fed from the stream, where some stand twice, count what the table holds.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { namesOf, WRITER_CONSUMER } from '@fleetloom/crds/names'
import { mergeCounters } from '@fleetloom/shared/events/counters/answer'
import { EventCounters } from '@fleetloom/shared/events/counters/counters'
import { readEventRows } from '@fleetloom/shared/events/read-rows'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { batchHeaders, batchInfo } from '@fleetloom/shared/pipeline/batch'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { startLoad } from '@fleetloom/simulator/load/load'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { balanceLine, balanceOf } from './ledger.ts'

const FLEET = { namespace: 'chaos', name: 'doors' }
const SUBJECT = namesOf().eventsSubject(FLEET)
const SHARDS = 4
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

/** The counters of all shards, over every event on the stream in its order; and how many rows stood there. */
const countStream = async (nats: Nats) => {
  const consumer = await nats.js.consumers.get(namesOf().stream(FLEET), { filter_subjects: SUBJECT })
  const { num_pending: pending } = await consumer.info()
  const messages = await consumer.consume()
  const shards = Array.from({ length: SHARDS }, () => new EventCounters())
  let [read, rows] = [0, 0]
  for await (const { data, time } of messages) {
    readEventRows(data, (row) => {
      rows++
      shards[shardOf(row.device, SHARDS)]?.add(row, time.getTime() * 1000)
    })
    if (++read === pending) break
  }
  return { rows, counted: mergeCounters(shards.map((counters) => counters.answer())).total }
}

/** Publishes the rows of the last batch again, each alone: what ingest does when it did not hear that the stream has them. */
const sendAgain = async ({ js, jsm }: Nats): Promise<number> => {
  const last = await jsm.streams.getMessage(namesOf().stream(FLEET), { last_by_subj: SUBJECT })
  const info = batchInfo(last?.header)
  assert.ok(last && info)
  const lines = Buffer.from(last.data).toString().split('\n').slice(0, -1)
  for (const line of lines) await js.publish(SUBJECT, `${line}\n`, { headers: batchHeaders({ ...info, rows: 1 }) })
  return lines.length
}

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
  await using nats = await connectNats('test', platform.nats.settings())
  const again = await sendAgain(nats)
  await until(async () => (await nats.jsm.consumers.info(namesOf().stream(FLEET), WRITER_CONSUMER)).num_pending === 0, {
    what: 'the writer to read all',
    deadlineMs: 40_000,
  })
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

  const { rows, counted } = await countStream(nats)
  process.stdout.write(`${rows} rows on the stream, ${counted.count} counted, ${counted.users} users\n`)
  // The alerter says of each device once that it is online.
  assert.equal(counted.count, EVENTS + devices.length)
  assert.ok(again > 0 && rows >= EVENTS + again)
  assert.ok(Math.abs(counted.users - EVENTS) <= EVENTS * 0.02, `${counted.users} users`)
})
