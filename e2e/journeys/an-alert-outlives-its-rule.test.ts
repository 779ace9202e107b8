/** A rule changes, goes or is lost while it fires: those who heard that the alert fires hear of its end, as it was when it began. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ruleKey } from '@fleetloom/crds/names'
import { connectNats } from '@fleetloom/shared/nats'
import { type AlertmanagerServer, startAlertmanager } from '../kit/alertmanager.ts'
import { connectMqtt } from '../kit/mqtt.ts'
import { until } from '../kit/until.ts'
import { names, startWebhook, type WebhookReceiver } from './alerter-under-test.ts'
import { type AlertingUnderTest, FLEET, startAlerting } from './alerting-under-test.ts'
import { testBroker } from './api-under-test.ts'
import { ruleDocument } from './rules-under-test.ts'

const HOT = 'last(temperature) > 8.0'
const TOPIC = 'fleets/{namespace}/{fleet}/{device}/alarms'
const NEW_TOPIC = 'fleets/{namespace}/{fleet}/{device}/news'

type Message = { readonly rule: string; readonly status: string; readonly severity: string; readonly labels: object }

const stack = new AsyncDisposableStack()
let alertmanager: AlertmanagerServer
let under: AlertingUnderTest
/** What was published on topics of the fleet, as `alarms resolved`. */
const published: { readonly rule: string; readonly words: string }[] = []

before(async () => {
  alertmanager = stack.use(await startAlertmanager())
  const alerter = { ALERTMANAGER_RESEND_MS: '1000' }
  under = stack.use(await startAlerting({ alertmanagerUrl: alertmanager.url, alerter }))
  const { mosquitto } = under.platform
  const broker = stack.use(testBroker(mosquitto))
  const login = { url: mosquitto.url, username: 'listener', password: 'listener' }
  const acl = { publish: [], subscribe: ['fleets/cold/reefers/#'] }
  await broker.put([{ username: login.username, acl, disabled: false, secret: { plain: login.password } }])
  const { client } = stack.use(await connectMqtt(login))
  client.on('message', (topic, payload) => {
    if (!/(alarms|news)$/.test(topic)) return
    const { rule, status } = JSON.parse(`${payload}`) as Message
    published.push({ rule, words: `${topic.split('/').at(-1)} ${status}` })
  })
  await client.subscribeAsync('fleets/cold/reefers/#', { qos: 1 })
})
after(() => stack.disposeAsync())

const publishedOf = (rule: string): string[] => published.flatMap((one) => (one.rule === rule ? [one.words] : []))
const heardBy = (hook: WebhookReceiver): Message[] => hook.heard.map(({ body }) => JSON.parse(body) as Message)
const firingAt = async (rule: string) =>
  (await alertmanager.firing()).filter(({ labels }) => labels.alertname === rule).map(({ labels }) => labels.team)

test('labels, severity and receivers that are edited while it fires are those of the next alert', async () => {
  await using before = await startWebhook()
  await using later = await startWebhook()
  await using device = await under.sender('edited')
  const spec = (team: string, severity: string, hook: WebhookReceiver, topic: string) => ({
    labels: { team },
    severity,
    notify: [{ alertmanager: {} }, { webhook: { url: hook.url } }, { mqtt: { topic } }],
  })
  await under.applyRule('edited', HOT, spec('cold', 'critical', before, TOPIC))
  await device.send(9)
  await until(async () => (await firingAt('edited')).join() === 'cold', { what: 'Alertmanager', deadlineMs: 30_000 })
  await until(() => publishedOf('edited').length === 1, { what: 'the topic' })
  await under.applyRule('edited', HOT, spec('warm', 'info', later, NEW_TOPIC))
  await device.send(9.5)
  await device.send(5)
  await until(async () => (await firingAt('edited')).length === 0, { what: 'the end', deadlineMs: 30_000 })
  await until(() => heardBy(before).length === 2, { what: 'the webhook that was removed' })
  assert.deepEqual(
    heardBy(before).map(({ status, severity, labels }) => [status, severity, labels]),
    [
      ['firing', 'critical', { team: 'cold' }],
      ['resolved', 'critical', { team: 'cold' }],
    ],
  )
  await until(() => publishedOf('edited').length === 2, { what: 'the topic that was removed', deadlineMs: 20_000 })
  await device.send(9)
  await until(async () => (await firingAt('edited')).join() === 'warm', { what: 'the next alert', deadlineMs: 30_000 })
  await until(() => heardBy(later).length === 1, { what: 'the webhook that was added' })
  assert.deepEqual(
    heardBy(later).map(({ status, severity }) => [status, severity]),
    [['firing', 'info']],
  )
  await until(() => publishedOf('edited').length === 3, { what: 'the topic that was added' })
  assert.deepEqual(publishedOf('edited'), ['alarms firing', 'alarms resolved', 'news firing'])
})

test('a rule that is deleted while it fires is heard of to its end, before the right to its topic goes', async () => {
  await using device = await under.sender('deleted')
  await under.applyRule('deleted', HOT, { notify: [{ mqtt: { topic: TOPIC } }, { alertmanager: {} }] })
  await device.send(9)
  await until(() => publishedOf('deleted').length === 1, { what: 'the beginning', deadlineMs: 30_000 })
  under.removeRule('deleted')
  await until(() => publishedOf('deleted').includes('alarms resolved'), { what: 'the end', deadlineMs: 20_000 })
  await until(async () => (await firingAt('deleted')).length === 0, { what: 'the end at Alertmanager' })
})

test('a rule whose document is lost goes on, and its alert neither ends nor begins anew', async () => {
  await using nats = await connectNats('test', under.platform.nats.settings())
  await using device = await under.sender('lost')
  await under.applyRule('lost', HOT)
  await device.send(9)
  await under.untilStories('lost', { lost: ['firing'] })
  const ref = { namespace: FLEET.namespace, name: 'lost' }
  await (await nats.bucket(names.buckets.pipeline)).delete(ruleKey(ref))
  await until(async () => (await ruleDocument(nats, ref)) !== undefined, { what: 'the document', deadlineMs: 15_000 })
  await device.send(9.5)
  await device.send(5)
  await under.untilStories('lost', { lost: ['firing', 'resolved by condition'] })
})
