import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, test } from 'node:test'
import { recordKey } from '@fleetloom/shared/alerts/records'
import type { Receiver } from '@fleetloom/shared/alerts/rule-document'
import { ruleContext, seal, sealKeys } from '@fleetloom/shared/alerts/seal'
import { until } from '../kit/until.ts'
import { names, parkedOf, startAlerterUnderTest, startWebhook, T0_MICROS, transition } from './alerter-under-test.ts'
import { deadLetters, metric } from './writer-under-test.ts'

const under = await startAlerterUnderTest(2)
after(() => under[Symbol.asyncDispose]())
const alerter = await under.startAlerter({ NOTIFY_TIMEOUT_MS: '2000', WEBHOOK_ATTEMPTS: '3' })
const alerts = await under.client.bucket(names.buckets.alerts)

const notified = async (receiver: string, result: string): Promise<number> => {
  const text = await (await fetch(`${alerter.url}/metrics`)).text()
  const line = new RegExp(`_notifications_total\\{receiver="${receiver}",result="${result}"\\} (\\d+)`).exec(text)
  return Number(line?.[1] ?? 0)
}

const resolvedOf = (one: ReturnType<typeof transition>) =>
  transition(one.rule, {
    ...{ from: 'firing', to: 'resolved', notify: one.notify, device: one.device },
    atMicros: one.atMicros + 60_000_000,
    firingSinceMicros: one.atMicros,
  })

test('a webhook gets each change once it happened, signed, with the id of the transition', async () => {
  await using hook = await startWebhook()
  const context = ruleContext({ namespace: 'coldchain', uid: 'uid-signed' })
  const secret = seal(sealKeys(Buffer.from(under.platformKey.value)), 'hook-key', context)
  const one = transition('signed', { notify: [{ kind: 'webhook', url: `${hook.url}/hook?token=x`, secret }] })
  await under.publish(one)
  await until(() => hook.heard.length === 1, { what: 'the webhook to hear' })
  const [{ headers, body, path } = { headers: {}, body: '', path: '' }] = hook.heard
  assert.equal(path, '/hook?token=x')
  assert.deepEqual(JSON.parse(body), {
    version: '1.0',
    id: one.id,
    status: 'firing',
    installation: 'fleetloom',
    namespace: 'coldchain',
    fleet: 'reefers',
    rule: 'signed',
    device: 'reefer-7',
    severity: 'critical',
    at: '2026-01-01T00:00:00.000000Z',
    firingSince: '2026-01-01T00:00:00.000000Z',
    cause: 'condition',
    value: 8.25,
    labels: { team: 'cold' },
    annotations: { summary: 'too warm' },
  })
  assert.equal(headers['idempotency-key'], one.id)
  const seconds = Number(headers['fleetloom-timestamp'])
  assert.ok(Math.abs(seconds - Date.now() / 1000) < 10)
  const hmac = createHmac('sha256', 'hook-key').update(`${seconds}.${body}`).digest('hex')
  assert.equal(headers['fleetloom-signature'], `t=${seconds},v1=${hmac}`)
})

test('what fires is recorded while it fires, and every change is a row', async () => {
  const one = transition('recorded')
  await under.publish(transition('recorded', { to: 'pending', atMicros: T0_MICROS - 1_000_000 }))
  await under.publish(one)
  await until(async () => (await alerts.get(recordKey('firing', one)))?.operation === 'PUT', { what: 'the record' })
  await under.publish(resolvedOf(one))
  await until(async () => (await alerts.get(recordKey('firing', one)))?.operation === 'DEL', { what: 'it to go' })
  await until(async () => (await under.rows('recorded')).length === 3, { what: 'three rows' })
  const rows = await under.rows('recorded')
  assert.deepEqual(
    rows.map(({ to, value }) => [to, value]),
    [
      ['pending', 8.25],
      ['firing', 8.25],
      ['resolved', 8.25],
    ],
  )
})

test('both Alertmanagers know what fires, and that it has ended', async () => {
  const notify: Receiver[] = [{ kind: 'alertmanager' }]
  const one = transition('told', { notify, atMicros: Date.now() * 1000 - 120_000_000 })
  await under.publish(one)
  const told = async () => {
    const all = await Promise.all(under.alertmanagers.map((each) => each.firing()))
    return all.map((firing) => firing.filter(({ labels }) => labels.alertname === 'told'))
  }
  await until(async () => (await told()).every((firing) => firing.length === 1), { what: 'both to know' })
  const [[alert] = []] = await told()
  assert.deepEqual(alert?.labels, {
    alertname: 'told',
    namespace: 'coldchain',
    fleet: 'reefers',
    device: 'reefer-7',
    severity: 'critical',
    team: 'cold',
  })
  await under.publish(resolvedOf(one))
  await until(async () => (await told()).every((firing) => firing.length === 0), { what: 'both to know of the end' })
})

test('a receiver that fails is asked again, as late as it wants, and hears in order', async () => {
  const answers = [500, { status: '503', 'retry-after': '1' }, 204, 204]
  await using hook = await startWebhook((_, count) => answers[count - 1] ?? 204)
  const one = transition('flaky', { notify: [{ kind: 'webhook', url: hook.url }] })
  const retried = await notified('webhook', 'retried')
  const startMs = performance.now()
  await under.publish(one)
  await under.publish(resolvedOf(one))
  await until(() => hook.ids().length === 2, { what: 'both to be taken' })
  assert.ok(performance.now() - startMs > 1_000)
  assert.deepEqual(hook.ids(), [one.id, resolvedOf(one).id])
  assert.equal(await notified('webhook', 'retried'), retried + 2)
})

test('a receiver that never answers delays no other', async () => {
  await using silent = await startWebhook(() => undefined)
  await using hook = await startWebhook()
  const notify: Receiver[] = [silent, hook].map(({ url }) => ({ kind: 'webhook', url }))
  for (let i = 0; i < 30; i++) await under.publish(transition('delayed', { device: `d-${i}`, notify }))
  const waiting = async () => (await parkedOf(under.client, 'delayed')).length
  await Promise.all([
    until(() => hook.ids().length === 30, { what: 'the other to hear all', deadlineMs: 15_000 }),
    until(async () => (await waiting()) === 30, { what: 'what waits for the silent one to be recorded' }),
  ])
})

test('what a receiver does not take in all attempts becomes a dead letter that says why', async () => {
  await using hook = await startWebhook(() => 500)
  const one = transition('dead', { notify: [{ kind: 'webhook', url: `${hook.url}/secret-token` }] })
  await under.publish(one)
  const dead = async () => (await deadLetters(under.client)).filter(({ body }) => body.includes(one.id))
  const [letter] = await until(async () => (await dead()).length > 0 && dead(), { what: 'the dead letter' })
  assert.equal(hook.heard.length, 3)
  assert.equal(letter?.head.reason, 'notification_failed')
  assert.equal(letter?.head.topic, `webhook ${hook.url}`)
  assert.equal(letter?.head.detail, 'HTTP 500, after 3 attempts')
})

test('a redirect and an address that is not public are refused', async () => {
  await using hook = await startWebhook(() => ({ status: '302', location: 'http://127.0.0.1:1/' }))
  await under.publish(transition('redirected', { notify: [{ kind: 'webhook', url: hook.url }] }))
  await under.publish(
    transition('metadata', { notify: [{ kind: 'webhook', url: 'http://169.254.169.254/latest/meta-data' }] }),
  )
  const details = async () =>
    (await deadLetters(under.client))
      .filter(({ body }) => /redirected|metadata/.test(body))
      .map(({ head }) => [head.topic, head.detail])
  await until(async () => (await details()).length === 2, { what: 'two dead letters' })
  assert.deepEqual((await details()).sort(), [
    [`webhook ${hook.url}`, 'HTTP 302: redirects are not followed'],
    [
      'webhook http://169.254.169.254',
      '169.254.169.254 has no public address; the platform team can allow its network with WEBHOOK_ALLOWED_NETWORKS',
    ],
  ])
  assert.equal(hook.heard.length, 1)
})

test('the database is away: notifications go out all the same, and the rows come later', async () => {
  await using hook = await startWebhook()
  await under.questdb.kill()
  await under.publish(transition('dark', { notify: [{ kind: 'webhook', url: hook.url }] }))
  await until(() => hook.ids().length === 1, { what: 'the webhook to hear' })
  await under.questdb.start()
  await until(async () => (await under.rows('dark')).length === 1, { what: 'the row', deadlineMs: 30_000 })
  assert.ok((await metric(alerter, 'fleetloom_alerter_history_rows_total')) > 0)
})
