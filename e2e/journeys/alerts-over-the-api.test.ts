import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Receiver } from '@fleetloom/shared/alerts/rule-document'
import { tempDir } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import { flapping, startAlerterUnderTest, startWebhook, T0_MICROS, transition } from './alerter-under-test.ts'
import { request, startApi } from './api-under-test.ts'
import { deadLetters } from './writer-under-test.ts'

const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())
const under = stack.use(await startAlerterUnderTest())
const [alertmanager] = under.alertmanagers
const alerter = await under.startAlerter()
const adminKeyFile = join(stack.use(tempDir('api')).path, 'admin.key')
const { nats, mosquitto, questdb } = under
const env = { QUESTDB_URL: questdb.url, QUESTDB_USER: questdb.user, QUESTDB_PASSWORD_FILE: questdb.password.file }
const api = stack.use(await startApi({ nats, mosquitto, adminKeyFile, env }))
const admin = readFileSync(adminKeyFile, 'utf8').trim()

const keyIdOf = (key: string): string | undefined => key.split('_')[1]

type Item = Record<string, unknown>
type Page = { readonly items: Item[]; readonly continue?: string }

const send = <T = Page>(method: string, path: string, { body, key = admin }: { body?: unknown; key?: string } = {}) =>
  request<T>(`${api.url}${path}`, method, { key, ...(body === undefined ? {} : { body }) })

const keyFor = async (namespaces: string[], verbs: string[]): Promise<string> => {
  const { body } = await send<{ key: string }>('POST', '/v1/keys', { body: { name: 'test', namespaces, verbs } })
  return body.key
}

const untilListed = (query: string, count: number) =>
  until(
    async () => {
      const { body } = await send('GET', `/v1/alerts?${query}`)
      return body.items.length === count ? body.items : undefined
    },
    { what: `${count} alerts with ${query}` },
  )

test('what fires is listed with what it is, by filters, and only to those who may see its namespace', async () => {
  const here = transition('listed', {
    device: 'reefer.1',
    notify: [{ kind: 'webhook', url: 'http://127.0.0.1:9/token' }],
  })
  await under.publish(here)
  await under.publish(transition('listed', { device: 'r-2', severity: 'info', labels: { team: 'hot' } }))
  await under.publish(transition('listed', { namespace: 'other', ruleUid: 'uid-other', fleet: 'cars' }))
  await untilListed('rule=listed', 3)
  const [alert] = await untilListed('device=reefer.1', 1)
  assert.deepEqual(alert, {
    id: here.id,
    namespace: 'coldchain',
    fleet: 'reefers',
    rule: 'listed',
    device: 'reefer.1',
    severity: 'critical',
    value: 8.25,
    firingSince: '2026-01-01T00:00:00.000000Z',
    labels: { team: 'cold' },
    annotations: { summary: 'too warm' },
  })
  for (const query of ['fleet=cars', 'severity=info', 'namespace=other', 'labelSelector=team%3Dhot'])
    await untilListed(`rule=listed&${query}`, 1)
  const scoped = await keyFor(['coldchain'], ['alerts:read'])
  const seen = await send('GET', '/v1/alerts?rule=listed', { key: scoped })
  assert.deepEqual(new Set(seen.body.items.map(({ namespace }) => namespace)), new Set(['coldchain']))
  assert.equal((await send('GET', '/v1/alerts?namespace=other', { key: scoped })).status, 403)
  const history = await send('GET', '/v1/alerts/history?rule=listed', { key: scoped })
  assert.ok(history.body.items.every(({ namespace }) => namespace === 'coldchain'))
  const silence = {
    matchers: [{ name: 'device', operator: '=', value: 'x' }],
    endsAt: '2999-01-01T00:00:00Z',
    author: 'a',
  }
  const refused = await send('POST', '/v1/namespaces/coldchain/silences', { key: scoped, body: silence })
  assert.equal(refused.status, 403)
})

const pagesOf = async (path: string): Promise<Item[]> => {
  const items: Item[] = []
  let next: string | undefined
  do {
    const { body } = await send('GET', `${path}${next === undefined ? '' : `&continue=${next}`}`)
    assert.ok(body.items.length <= 3)
    items.push(...body.items)
    next = body.continue
  } while (next !== undefined)
  return items
}

test('pages hold everything once', async () => {
  const all = Array.from({ length: 8 }, (_, i) => transition('paged', { device: `d-${i}` }))
  for (const one of all) await under.publish(one)
  await untilListed('rule=paged', 8)
  await until(async () => (await under.rows('paged')).length === 8, { what: 'the rows' })
  const ids = all.map(({ id }) => id).sort()
  assert.deepEqual((await pagesOf('/v1/alerts?rule=paged&limit=3')).map(({ id }) => id).sort(), ids)
  const history = await pagesOf('/v1/alerts/history?rule=paged&limit=3')
  assert.deepEqual(history.map(({ id }) => id).sort(), ids)
})

test('the history holds each change, newest first, between two times', async () => {
  const all = flapping('history', { device: 'd', count: 4, notify: [] })
  for (const one of all) await under.publish(one)
  await until(async () => (await under.rows('history')).length === 4, { what: 'the rows' })
  const changes = async (query = '') => {
    const { body } = await send('GET', `/v1/alerts/history?rule=history${query}`)
    return body.items.map(({ to, at, firingSince }) => [to, at, firingSince])
  }
  const at = (seconds: number) => `2026-01-01T00:00:0${seconds}.000000Z`
  assert.deepEqual(await changes(), [
    ['resolved', at(3), at(2)],
    ['firing', at(2), at(2)],
    ['resolved', at(1), at(0)],
    ['firing', at(0), at(0)],
  ])
  assert.deepEqual(await changes(`&from=${at(1)}&to=${at(3)}&state=firing`), [['firing', at(2), at(2)]])
})

test('an acknowledgement holds for the alert as it fires, and no later one', async () => {
  const [first, ended, again] = flapping('seen', { device: 'd', count: 3, notify: [] })
  if (!first || !ended || !again) throw new Error('three')
  const path = '/v1/namespaces/coldchain/alerts/seen/d/acknowledge'
  const body = { author: 'ann', comment: 'on it' }
  assert.equal((await send('POST', path, { body })).status, 404)
  await under.publish(first)
  await untilListed('rule=seen', 1)
  assert.equal((await send('POST', path, { body })).status, 200)
  const acknowledged = async () => (await untilListed('rule=seen', 1))[0]?.acknowledged as Item | undefined
  assert.deepEqual({ ...(await acknowledged()), at: '' }, { ...body, keyId: keyIdOf(admin), at: '' })
  await under.publish(ended)
  await untilListed('rule=seen', 0)
  await under.publish(again)
  await untilListed('rule=seen', 1)
  assert.equal(await acknowledged(), undefined)
})

test('a silence holds back every receiver, says so, and ends', async () => {
  await using hook = await startWebhook()
  const silences = '/v1/namespaces/plant/silences'
  const body = {
    matchers: [
      { name: 'alertname', operator: '=~', value: 'quiet|calm' },
      { name: 'device', operator: '!=', value: 'loud' },
    ],
    endsAt: new Date(Date.now() + 3_600_000).toISOString(),
    author: 'ann',
    comment: 'maintenance',
  }
  const made = await send<{ id: string }>('POST', silences, { body })
  assert.equal(made.status, 201)
  const notify: Receiver[] = [
    { kind: 'webhook', url: hook.url },
    { kind: 'alertmanager' },
    { kind: 'mqtt', topic: 'fleets/coldchain/reefers/{device}/alerts' },
  ]
  const silent = transition('quiet', { namespace: 'plant', notify, atMicros: T0_MICROS + 5 })
  const loud = transition('quiet', { namespace: 'plant', notify, device: 'loud' })
  await under.publish(silent)
  await under.publish(loud)
  const suppressed = async () =>
    (await deadLetters(under.client)).filter(({ body }) => body.includes(silent.id)).map(({ head }) => head)
  await until(async () => (await suppressed()).length === 3, { what: 'three records of what was held back' })
  assert.deepEqual(
    (await suppressed()).map(({ reason, topic, detail }) => [reason, topic, detail]).sort(),
    [`alertmanager`, `mqtt fleets/coldchain/reefers/reefer-7/alerts`, `webhook ${hook.url}`].map((receiver) => [
      'notification_silenced',
      receiver,
      made.body.id,
    ]),
  )
  await until(() => hook.ids().length > 0, { what: 'the loud one to be heard' })
  assert.deepEqual(hook.ids(), [loud.id])
  const known = async () =>
    ((await alertmanager?.firing()) ?? [])
      .filter(({ labels }) => labels.alertname === 'quiet')
      .map(({ labels }) => labels.device ?? '')
  await until(async () => (await known()).length === 1, { what: 'Alertmanager to know the loud one' })
  const [shown] = await untilListed('rule=quiet&device=reefer-7', 1)
  assert.equal(shown?.silencedBy, made.body.id)
  const text = await (await fetch(`${alerter.url}/metrics`)).text()
  assert.match(text, /_notifications_total\{receiver="alertmanager",result="suppressed"\} 1/)

  assert.equal((await send('DELETE', `${silences}/${made.body.id}`)).status, 204)
  assert.equal((await send('DELETE', `${silences}/${made.body.id}`)).status, 404)
  await until(async () => (await known()).includes('reefer-7'), {
    what: 'Alertmanager to hear of it after the silence',
  })
  const { body: listed } = await send('GET', `${silences}?active=false`)
  assert.deepEqual(
    listed.items.map(({ id, comment, keyId }) => [id, comment, keyId]),
    [[made.body.id, 'maintenance', keyIdOf(admin)]],
  )
})

test('a silence that breaks a rule is refused, with the field', async () => {
  const good = {
    matchers: [{ name: 'device', operator: '=', value: 'x' }],
    endsAt: '2026-02-01T00:00:00Z',
    author: 'a',
  }
  const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString()
  const cases: [object, string][] = [
    [{ ...good, endsAt: '2020-01-01T00:00:00Z' }, 'endsAt'],
    [{ ...good, startsAt: inHours(1), endsAt: inHours(24 * 30 + 2) }, 'endsAt'],
    [{ ...good, endsAt: inHours(1), matchers: [] }, 'matchers'],
    [{ ...good, endsAt: inHours(1), matchers: [{ name: 'x', operator: '=~', value: '(a' }] }, 'matchers.0.value'],
    [{ ...good, endsAt: inHours(1), author: '' }, 'author'],
  ]
  for (const [body, field] of cases) {
    const answer = await send<{ errors: { field: string }[] }>('POST', '/v1/namespaces/coldchain/silences', { body })
    assert.equal(answer.status, 400, field)
    assert.deepEqual(
      answer.body.errors.map((one) => one.field),
      [field],
    )
  }
})

test('while the database is away the history is unavailable and what fires is listed', async () => {
  await questdb.kill()
  const { status, body } = await send<{ type: string }>('GET', '/v1/alerts/history')
  assert.deepEqual([status, body.type], [503, 'urn:fleetloom:problem:unavailable'])
  assert.equal((await send('GET', '/v1/alerts?rule=paged')).status, 200)
  await questdb.start()
  assert.equal((await send('GET', '/v1/alerts/history')).status, 200)
})
