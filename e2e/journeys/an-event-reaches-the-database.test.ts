/** Events over MQTT and over HTTP, into the events table of their namespace; and what becomes of bad ones. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fleetKey, namesOf } from '@fleetloom/crds/names'
import { connectNats } from '@fleetloom/shared/nats'
import { batchHeaders } from '@fleetloom/shared/pipeline/batch'
import { parseFleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Device } from '../kit/api-client.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

const FLEET = { namespace: 'site', name: 'doors' }
const TABLE = namesOf().eventsTable(FLEET.namespace)
const EVENTS = `/v1/namespaces/${FLEET.namespace}/fleets/${FLEET.name}/events`
const TOPIC = (device: string) => `fleets/${FLEET.namespace}/${FLEET.name}/${device}/events`

let platform: Platform
let device: Device

before(async () => {
  platform = await startPlatform({
    manifests: {
      'doors.yaml': [
        'apiVersion: fleetloom.io/v1alpha1',
        'kind: DeviceFleet',
        `metadata: {name: ${FLEET.name}, namespace: ${FLEET.namespace}}`,
        'spec:',
        '  measurements: [{name: open, type: Boolean}]',
        '  storage: {rollups: []}',
        '',
      ].join('\n'),
    },
  })
  await platform.untilReady(FLEET)
  device = await platform.register(FLEET, 'door-1')
})
after(() => platform[Symbol.asyncDispose]())

const publish = async (...payloads: readonly string[]) => {
  await using session = await platform.connect(device)
  for (const payload of payloads) await session.client.publishAsync(TOPIC(device.device), payload, { qos: 1 })
}

const COLUMNS = 'ts, fleet, device, type, severity, "user", address, metadata'

const untilRows = (where: string, count: number) =>
  until(
    async () => {
      const rows = await platform.sql(`SELECT ${COLUMNS} FROM "${TABLE}" WHERE ${where} ORDER BY ts, digest`)
      if (rows.length !== count) throw new Error(`${rows.length} rows of ${count}`)
      return rows
    },
    { what: `${count} events where ${where}` },
  )

const send = async (body: unknown, text = JSON.stringify(body)) => {
  const key = readFileSync(platform.adminKeyFile, 'utf8').trim()
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const response = await fetch(`${platform.api.url}${EVENTS}`, { method: 'POST', headers, body: text })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

const iso = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z')

test('an event over MQTT is one row, however often it is sent', async () => {
  const ts = Date.now() - 60_000
  const metadata = { tries: 3, why: 'a "quote", a \\ and a\nnew line' }
  const payload = JSON.stringify({
    type: 'login_failed',
    severity: 'high',
    user: 'kim',
    address: '10.0.0.7',
    metadata,
    ts,
  })
  await publish(payload, payload)
  await publish(JSON.stringify({ type: 'opened', ts: ts + 1 }))
  assert.deepEqual(await untilRows(`device = 'door-1' AND type != 'device_online'`, 2), [
    {
      ...{ ts: iso(ts), fleet: 'doors', device: 'door-1', type: 'login_failed', severity: 'high' },
      ...{ user: 'kim', address: '10.0.0.7', metadata: JSON.stringify(metadata) },
    },
    {
      ...{ ts: iso(ts + 1), fleet: 'doors', device: 'door-1', type: 'opened', severity: 'low' },
      ...{ user: null, address: null, metadata: null },
    },
  ])
})

test('a bad event is a dead letter that names the field and the reason', async () => {
  await publish('{"type":"not one","severity":"high"}', '{"type":"device_offline"}')
  type Letter = { reason: string; field: string; detail: string; payload?: string; stage: string }
  const letters = await until(
    async () => {
      const { items } = await platform.call<{ items: Letter[] }>(
        'GET',
        `/v1/namespaces/${FLEET.namespace}/fleets/${FLEET.name}/dead-letters?reason=invalid_event`,
      )
      return items.length > 1 ? items : undefined
    },
    { what: 'the letters' },
  )
  assert.deepEqual(
    letters.map(({ stage, reason, field }) => [stage, reason, field]),
    [
      ['mqtt', 'invalid_event', 'type'],
      ['mqtt', 'invalid_event', 'type'],
    ],
  )
  const details = letters.map(({ detail }) => detail).sort()
  assert.match(details[0] ?? '', /"not one" is not one/)
  assert.match(details[1] ?? '', /device_offline is told by the platform alone/)
})

test('events posted over HTTP are rows, once even when the same body is sent again', async () => {
  const ts = Date.now() - 30_000
  const body = [
    { device: 'door-1', type: 'posted', severity: 'critical', user: 'é', ts },
    { device: 'door-1', type: 'posted', ts },
    { device: 'door-1', type: 'posted', ts },
  ]
  const first = await send(body)
  assert.equal(first.status, 202)
  assert.equal(first.body.accepted, 3)
  const events = first.body.events as { device: string; ts: string; digest: string }[]
  assert.deepEqual(
    events.map(({ device: id, ts: at }) => [id, at]),
    body.map(() => ['door-1', iso(ts)]),
  )
  assert.equal(new Set(events.map(({ digest }) => digest)).size, 3)
  assert.deepEqual(await send(body), first)
  const rows = await platform
    .sql<{ digest: string }>(`SELECT cast(digest AS VARCHAR) digest FROM "${TABLE}" WHERE type = 'posted'`)
    .then((held) => (held.length === 3 ? held : until(() => untilDigests(3), { what: 'the posted events' })))
  assert.deepEqual(rows.map(({ digest }) => digest).sort(), events.map(({ digest }) => digest).sort())
  const one = await send({ device: 'door-1', type: 'posted_alone' })
  assert.equal(one.status, 202)
  await untilRows(`type = 'posted_alone'`, 1)
  assert.equal((await untilDigests(3)).length, 3)
})

const untilDigests = async (count: number) => {
  const held = await platform.sql<{ digest: string }>(
    `SELECT cast(digest AS VARCHAR) digest FROM "${TABLE}" WHERE type = 'posted'`,
  )
  if (held.length !== count) throw new Error(`${held.length} of ${count}`)
  return held
}

test('one bad event of a list is named by its place, and nothing of the list is stored', async () => {
  const good = { device: 'door-1', type: 'half' }
  const { status, body } = await send([
    good,
    { ...good, severity: 'info' },
    { ...good, device: 'door-9' },
    { type: 'half' },
    { ...good, ts: 1 },
    { ...good, colour: 'red' },
    7,
  ])
  assert.equal(status, 400)
  assert.deepEqual(
    (body.errors as { field: string }[]).map(({ field }) => field),
    ['1.severity', '3.device', '4.ts', '5.colour', '6'],
  )
  const unknown = await send([good, { ...good, device: 'door-9' }])
  assert.deepEqual(unknown.body.errors, [{ field: '1.device', value: 'door-9', reason: 'no device of this fleet' }])
  assert.equal((await send(undefined, '{"device":')).status, 400)
  assert.equal((await send([])).status, 400)
  await send({ device: 'door-1', type: 'behind' })
  await untilRows(`type = 'behind'`, 1)
  await untilRows(`type = 'half'`, 0)
})

test('a row of events that the database refuses is a dead letter, and its neighbours land', async () => {
  await using admin = await connectNats('test', platform.nats.settings())
  const entry = await (await admin.bucket(namesOf().buckets.pipeline)).get(fleetKey(FLEET))
  const parsed = parseFleetDocument(entry?.value ?? new Uint8Array())
  assert.ok('ok' in parsed)
  const { uid, generation, stream } = parsed.ok
  const headers = batchHeaders({ rows: 3, firstMicros: 0, lastMicros: 0, uid, generation, traceLinks: [] })
  const line = (type: string, fields: string) =>
    `${TABLE},fleet=doors,device=door-1,type=${type},severity=low ${fields}digest=${type.length}i ${Date.now()}000000\n`
  const body = line('near', '') + line('odd', 'colour="red",') + line('near2', '')
  await admin.js.publish(stream.eventsSubject, body, { headers })
  await untilRows(`type in ('near', 'near2')`, 2)
  const { items } = await until(
    async () => {
      const page = await platform.call<{ items: { stage: string; device: string }[] }>(
        'GET',
        `/v1/namespaces/${FLEET.namespace}/fleets/${FLEET.name}/dead-letters?reason=database_rejected`,
      )
      return page.items.length > 0 ? page : undefined
    },
    { what: 'the letter' },
  )
  assert.deepEqual(
    items.map(({ stage, device: id }) => [stage, id]),
    [['row', 'door-1']],
  )
})

test('stored events are shown, newest first, by device, type, severity and time', async () => {
  const ts = Date.now() - 20_000
  const events = ['a', 'b', 'c'].map((type, i) => ({
    ...{ device: 'door-1', type: `shown.${type}`, severity: i === 1 ? 'high' : 'medium', ts: ts + i },
    ...(i === 1 && { user: "o'neill", address: '::1', metadata: { n: 1 } }),
  }))
  const posted = (await send(events)).body.events as { digest: string }[]
  await untilRows(`type in ('shown.a', 'shown.b', 'shown.c')`, 3)
  const shown = async (query: string) =>
    (await platform.call<{ items: { type: string }[] }>('GET', `${EVENTS}?${query}`)).items
  const [only] = await shown('type=shown.b&severity=high&device=door-1')
  assert.deepEqual(only, {
    ...{ ts: iso(ts + 1), device: 'door-1', type: 'shown.b', severity: 'high' },
    ...{ user: "o'neill", address: '::1', metadata: { n: 1 }, digest: posted[1]?.digest },
  })
  const time = (ms: number) => encodeURIComponent(iso(ms))
  const between = await shown(`from=${time(ts)}&to=${time(ts + 2)}`)
  assert.deepEqual(
    between.map(({ type }) => type).filter((type) => type.startsWith('shown')),
    ['shown.b', 'shown.a'],
  )
  assert.deepEqual(
    (await shown(`from=${time(ts)}&to=${time(ts + 3)}&limit=1`)).map(({ type }) => type),
    ['shown.c'],
  )
  assert.deepEqual(await shown(`to=${time(ts - 864e5 * 2)}`), [])
  for (const wrong of [
    "type=x' OR '1'='1",
    'from=yesterday',
    'severity=info',
    'limit=0',
    'colour=red',
    'device=a%27b',
    'continue=e1_x',
  ])
    await assert.rejects(platform.call('GET', `${EVENTS}?${wrong}`), { status: 400 }, wrong)
})

test('pages of events, of one time among them, hold each event once', async () => {
  const ts = Date.now() - 10_000
  const events = Array.from({ length: 7 }, (_, i) => ({ device: 'door-1', type: 'paged', ts: i < 5 ? ts : ts + i }))
  const posted = (await send(events)).body.events as { digest: string; ts: string }[]
  await untilRows(`type = 'paged'`, 7)
  type Page = { items: { digest: string; ts: string }[]; continue?: string }
  const read: Page['items'] = []
  let pages = 0
  for (let next: string | undefined = ''; next !== undefined; pages++) {
    const page: Page = await platform.call('GET', `${EVENTS}?type=paged&limit=2${next && `&continue=${next}`}`)
    read.push(...page.items)
    next = page.continue
  }
  assert.equal(pages, 4)
  const sorted = (items: Page['items']) => items.map(({ digest }) => digest).sort()
  assert.deepEqual(sorted(read), sorted(posted))
  assert.deepEqual(
    read.map(({ ts: at }) => at),
    posted
      .map(({ ts: at }) => at)
      .sort()
      .reverse(),
  )
})

test('a key without events:write posts none', async () => {
  const { key } = await platform.call<{ key: string }>('POST', '/v1/keys', {
    name: 'reader',
    namespaces: ['site'],
    verbs: ['events:read', 'devices:write'],
  })
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const response = await fetch(`${platform.api.url}${EVENTS}`, { method: 'POST', headers, body: '{}' })
  assert.equal(response.status, 403)
})
