import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { allRecords } from '@fleetloom/shared/alerts/records'
import type { Receiver } from '@fleetloom/shared/alerts/rule-document'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { connectMqtt } from '../kit/mqtt.ts'
import { until } from '../kit/until.ts'
import { flapping, names, parkedOf, startAlerterUnderTest, startWebhook, transition } from './alerter-under-test.ts'
import { testBroker } from './api-under-test.ts'
import { deadLetters } from './writer-under-test.ts'

const under = await startAlerterUnderTest(2)
after(() => under[Symbol.asyncDispose]())
const [alertmanager, other] = under.alertmanagers

/** 20 devices, 10 transitions each; devices with an odd number end firing. */
const load = (rule: string, notify: Receiver[]): Transition[] => {
  const perDevice = Array.from({ length: 20 }, (_, i) =>
    flapping(rule, { device: `d-${i}`, count: 10 - (i % 2), notify }),
  )
  return Array.from({ length: 10 }, (_, step) => perDevice.flatMap((one) => one[step] ?? [])).flat()
}

const isFiringAtTheEnd = (device: string): boolean => Number(device.slice(2)) % 2 === 1

/** Publishes until the stream has it, a few a second, so that crashes fall between. */
const publishAll = async (all: readonly Transition[], perSecond: number): Promise<void> => {
  for (const one of all) {
    for (let taken = false; !taken; )
      taken = await under.publish(one).then(
        () => true,
        () => sleep(100).then(() => false),
      )
    await sleep(1000 / perSecond)
  }
}

const firingDevices = async (rule: string): Promise<string[]> => {
  const filter = `firing.coldchain.${rule}.*`
  const all = await Array.fromAsync(allRecords(under.client.jsm, names.buckets.alerts, filter))
  return all.map(({ key }) => key.split('.')[3] ?? '').sort()
}

const sorted = (all: Iterable<string>): string[] => [...new Set(all)].sort()

const untilRecorded = (rule: string, all: readonly Transition[]) =>
  until(
    async () => {
      const rows = await under.rows(rule)
      if (rows.length !== all.length) throw new Error(`${rows.length} rows of ${all.length}`)
      assert.deepEqual(sorted(rows.map(({ id }) => id)), sorted(all.map(({ id }) => id)))
      return true
    },
    { what: 'each transition to be a row, once', deadlineMs: 60_000, everyMs: 300 },
  )

const untilHeard = (ids: () => readonly string[], all: readonly Transition[]) =>
  until(
    () => {
      const missing = all.length - new Set(ids()).size
      if (missing > 0) throw new Error(`${missing} are missing`)
      return true
    },
    { what: 'the webhook to have heard all', deadlineMs: 60_000, everyMs: 200 },
  )

const untilAlertmanagers = (rule: string, expected: readonly string[]) =>
  until(
    async () => {
      for (const each of under.alertmanagers) {
        const firing = (await each.firing()).filter(({ labels }) => labels.alertname === rule)
        assert.deepEqual(firing.map(({ labels }) => labels.device ?? '').sort(), [...expected].sort())
      }
      return true
    },
    { what: 'Alertmanager to know exactly what fires', deadlineMs: 30_000, everyMs: 300 },
  )

test('alerter, NATS and Alertmanager are killed at random: nothing is lost, and Alertmanager ends with what fires', async () => {
  await using hook = await startWebhook()
  const notify: Receiver[] = [{ kind: 'webhook', url: hook.url }, { kind: 'alertmanager' }]
  const all = load('crash', notify)
  const alerter = await under.startAlerter()
  const published = publishAll(all, 20)
  const victims = [alerter, under.nats, alerter, alertmanager, under.nats, alerter, other]
  for (const victim of victims) {
    await sleep(200 + Math.random() * 1_500)
    await victim?.kill()
    await sleep(Math.random() * 500)
    await victim?.start()
  }
  await published
  await untilRecorded('crash', all)
  await untilHeard(() => hook.ids(), all)
  const expected = sorted(all.map(({ device }) => device)).filter(isFiringAtTheEnd)
  await until(async () => (await firingDevices('crash')).length === expected.length, { what: 'the records' })
  assert.deepEqual(await firingDevices('crash'), expected)
  await untilAlertmanagers('crash', expected)
  assert.deepEqual(outOfOrder(hook.heard.map(({ body }) => JSON.parse(body))), [])
  await alerter.kill('SIGTERM')
})

/** First hearings of each alert that came before an earlier transition of it. */
const outOfOrder = (heard: readonly { id: string; device: string; at: string }[]): string[] => {
  const seen = new Set<string>()
  const last = new Map<string, string>()
  return heard
    .filter(({ id, device, at }) => {
      if (seen.has(id)) return false
      seen.add(id)
      const isLate = at < (last.get(device) ?? '')
      last.set(device, at)
      return isLate
    })
    .map(({ id }) => id)
}

test('the owner of a partition is killed: another replica goes on', async () => {
  await using hook = await startWebhook()
  const all = load('replicas', [{ kind: 'webhook', url: hook.url }])
  const replicas = [await under.startAlerter(), await under.startAlerter()]
  const published = publishAll(all, 40)
  await until(() => hook.ids().length > 40, { what: 'some to be heard' })
  await replicas[0]?.kill()
  await published
  await untilRecorded('replicas', all)
  await untilHeard(() => hook.ids(), all)
  await replicas[0]?.start()
  await replicas[1]?.kill('SIGTERM')
  const last = transition('replicas', { device: 'after', notify: [{ kind: 'webhook', url: hook.url }] })
  await under.publish(last)
  await until(() => hook.ids().includes(last.id), { what: 'the replica that is left to go on' })
  await replicas[0]?.kill('SIGTERM')
})

test('what waits for a receiver is taken up by the next owner, in order', async () => {
  let isUp = false
  await using hook = await startWebhook(() => (isUp ? 204 : 503))
  const alerter = await under.startAlerter({ WEBHOOK_BACKOFF_MS: '500' })
  const all = flapping('waiting', { device: 'd', count: 6, notify: [{ kind: 'webhook', url: hook.url }] })
  for (const one of all) await under.publish(one)
  const waiting = async () => (await parkedOf(under.client, 'waiting')).length
  await until(async () => (await waiting()) === 6, { what: 'all to wait' })
  await alerter.kill()
  isUp = true
  await alerter.start()
  await until(() => hook.ids().length >= 6, { what: 'all to be heard' })
  assert.deepEqual(
    hook.ids(),
    all.map(({ id }) => id),
  )
  await until(async () => (await waiting()) === 0, { what: 'no record to be left' })
  await alerter.kill('SIGTERM')
})

test('consumers that somebody deleted are made anew, and go on where they were', async () => {
  await using hook = await startWebhook()
  const alerter = await under.startAlerter()
  const notify: Receiver[] = [{ kind: 'webhook', url: hook.url }]
  const [first, second] = flapping('deleted', { device: 'd', count: 2, notify }) as [Transition, Transition]
  await under.publish(first)
  await until(() => hook.ids().length === 1, { what: 'the first to be heard' })
  await untilRecorded('deleted', [first])
  await alerter.kill('SIGTERM')
  for await (const { name } of under.client.jsm.consumers.list(names.alertStream))
    await under.client.jsm.consumers.delete(names.alertStream, name)
  await alerter.start()
  await until(async () => (await consumerCount()) === 33, { what: 'the consumers to be there' })
  for await (const { name } of under.client.jsm.consumers.list(names.alertStream))
    await under.client.jsm.consumers.delete(names.alertStream, name)
  await under.publish(second)
  await until(() => hook.ids().length === 2, { what: 'the second to be heard', deadlineMs: 20_000 })
  await untilRecorded('deleted', [first, second])
  assert.deepEqual(hook.ids(), [first.id, second.id])
  await alerter.kill('SIGTERM')
})

const consumerCount = async (): Promise<number> =>
  (await under.client.jsm.streams.info(names.alertStream)).state.consumer_count

test('subscribers of the broker hear of each change, through a kill of the broker', async () => {
  await using broker = testBroker(under.mosquitto)
  const login = { url: under.mosquitto.url, username: 'listener', password: 'listener' }
  const topic = 'fleets/coldchain/reefers/+/alerts'
  const acl = { publish: [], subscribe: [topic] }
  await broker.put([{ username: login.username, acl, disabled: false, secret: { plain: login.password } }])
  const heard: { id: string; retain: boolean }[] = []
  const listen = async () => {
    const session = await connectMqtt(login, {
      ...{ clean: false, properties: { sessionExpiryInterval: 600 } },
      onMessage: (_, payload, { retain }) => heard.push({ id: JSON.parse(`${payload}`).id, retain }),
    })
    await session.client.subscribeAsync(topic, { qos: 1 })
    return session
  }
  const all = flapping('mqtt', {
    device: 'd',
    count: 4,
    notify: [{ kind: 'mqtt', topic: 'fleets/coldchain/reefers/{device}/alerts' }],
  })
  const alerter = await under.startAlerter()
  {
    await using session = await listen()
    for (const one of all.slice(0, 2)) await under.publish(one)
    await until(() => heard.length === 2, { what: 'the first two' })
    // once this is answered the broker has our PUBACKs: it sends neither again
    await session.client.subscribeAsync(topic, { qos: 1 })
    await under.mosquitto.kill('SIGTERM')
  }
  for (const one of all.slice(2)) await under.publish(one)
  await under.mosquitto.start()
  await using _ = await listen()
  await until(() => heard.length >= 4, { what: 'the other two', deadlineMs: 20_000 })
  assert.deepEqual(
    heard,
    all.map(({ id }) => ({ id, retain: false })),
  )
  const denied = transition('denied', { notify: [{ kind: 'mqtt', topic: 'fleets/other/{device}' }] })
  await under.publish(denied)
  const letters = async () =>
    (await deadLetters(under.client)).filter(({ body }) => body.includes(denied.id)).map(({ head }) => head.topic)
  await until(async () => (await letters()).length > 0, { what: 'the dead letter', deadlineMs: 20_000 })
  assert.deepEqual(await letters(), ['mqtt fleets/other/reefer-7'])
  await alerter.kill('SIGTERM')
})
