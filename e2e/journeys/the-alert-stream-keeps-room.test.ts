/** Transitions that everybody has heard of leave the alert stream before it is full, and only those. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { StreamWatch } from '@fleetloom/alerter/outbox/trim/watch'
import { checkpointKey } from '@fleetloom/crds/names'
import { subjectOf } from '@fleetloom/shared/alerts/transition'
import { connectNats } from '@fleetloom/shared/nats'
import { createLogger } from '@fleetloom/shared/process/logger'
import { AckPolicy, DiscardPolicy } from '@nats-io/jetstream'
import { startNats } from '../kit/nats.ts'
import { until } from '../kit/until.ts'
import { flapping, names } from './alerter-under-test.ts'

const MAX_BYTES = 256 * 1024
const LANES = ['history', 'mqtt'].map((outlet) => ({ name: `${outlet}-lane`, filter: names.alertSubjects, outlet }))

const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())
const server = stack.use(await startNats())
const admin = stack.use(await connectNats('test', server.settings()))
const alerter = stack.use(await connectNats('alerter', server.settings('alerter')))
const stream = names.alertStream
const alerts = await admin.bucket(names.buckets.alerts)
await admin.jsm.streams.add({
  ...{ name: stream, subjects: [names.alertSubjects], allow_direct: true },
  ...{ discard: DiscardPolicy.New, max_bytes: MAX_BYTES },
})
for (const { name, filter } of LANES)
  await admin.jsm.consumers.add(stream, {
    ...{ durable_name: name, filter_subject: filter, ack_policy: AckPolicy.Explicit },
    ...{ ack_wait: 600_000_000_000, max_ack_pending: 10_000 },
  })

let [fill, trimmed] = [0, 0]
let waits: ReadonlyMap<string, number> = new Map()
let isOwner = false

stack.use(
  new StreamWatch({
    ...{ nats: alerter, names, lanes: LANES, log: createLogger('test', 'silent'), everyMs: 50, keptMs: 0 },
    owns: () => isOwner,
    gauges: {
      fill: (ratio) => {
        fill = ratio
      },
      waits: (seconds) => {
        waits = seconds
      },
      trimmed: (count) => {
        trimmed += count
      },
    },
  }),
)

const all = flapping('full', { device: 'd', count: 4_000, notify: [] })
let next = 0

const publish = (one = all[next++]): Promise<unknown> => {
  if (!one) throw new Error('there are no more transitions')
  return admin.js.publish(subjectOf(names, one), JSON.stringify(one), { expect: { lastSubjectSequence: 0 } })
}

/** Publishes until the stream is as full as that. */
const fillTo = async (ratio: number): Promise<void> => {
  while ((await admin.jsm.streams.info(stream)).state.bytes < MAX_BYTES * ratio) await publish()
}

/** Takes and settles all that waits in a lane. */
const settle = async (name: string): Promise<void> => {
  const consumer = await admin.js.consumers.get(stream, name)
  const messages = await consumer.fetch({ max_messages: 10_000, expires: 1_000 })
  for await (const message of messages) await message.ackAck()
}

const checks = async (count: number): Promise<void> => {
  for (let seen = 0; seen < count; seen++) {
    fill = Number.NaN
    await until(() => !Number.isNaN(fill), { what: 'a look at the stream' })
  }
}

const first = async (): Promise<number> => (await admin.jsm.streams.info(stream)).state.first_seq

test('nothing leaves that an outlet has not settled, and it is known how long it waits', async () => {
  await fillTo(0.6)
  await settle('history-lane')
  isOwner = true
  await until(() => (waits.get('mqtt') ?? 0) > 0, { what: 'the wait of the other lane' })
  await checks(3)
  assert.equal(waits.get('history'), 0)
  assert.equal(await first(), 1)
  assert.ok(fill > 0.5)
})

test('what a shard may find again after a restart stays, and is refused when it does', async () => {
  const key = checkpointKey({ namespace: 'cold', name: 'reefers' }, 0)
  await alerts.put(key, '{}')
  await settle('mqtt-lane')
  await checks(3)
  assert.equal(await first(), 1)
  await assert.rejects(publish(all[0]), /wrong last sequence/)
  await alerts.purge(key)
  await admin.jsm.streams.purge(`KV_${names.buckets.alerts}`)
  await until(() => trimmed > 0, { what: 'room' })
  await until(() => fill < 0.35, { what: 'the low water' })
})

test('far more than the stream holds goes through it', async () => {
  const limit = next + 1_500
  while (next < limit) {
    await fillTo(0.6)
    for (const { name } of LANES) await settle(name)
    await until(async () => (await admin.jsm.streams.info(stream)).state.bytes <= MAX_BYTES * 0.5, { what: 'room' })
  }
  await assert.rejects(publish(all[next - 1]), /wrong last sequence/)
})
