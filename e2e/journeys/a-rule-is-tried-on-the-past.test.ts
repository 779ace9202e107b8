/** A rule is tried on stored readings: it would have done what the alerter did. And devices show whether they are online. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { appliedKey } from '@fleetloom/crds/names'
import { instant } from '@fleetloom/shared/alerts/instant'
import { connectNats } from '@fleetloom/shared/nats'
import type { AppliedDocument } from '@fleetloom/shared/pipeline/applied-document'
import { type Device, devicesPath } from '../kit/api-client.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { request } from './api-under-test.ts'
import { ruleYaml } from './rules-under-test.ts'

const FLEET = { namespace: 'coldchain', name: 'reefers' }
const SHARDS = 2
const DEVICES = ['r-1', 'r-2', 'r-3']
const READINGS = 300
/** Readings are of some minutes ago, on whole seconds. */
const T0_MS = Math.floor(Date.now() / 1000) * 1000 - 3_600_000

const fleetYaml = `
apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: { name: reefers, namespace: coldchain }
spec:
  measurements: [{ name: temperature, type: Double }, { name: count, type: Long }, { name: door, type: Symbol }]
  stream: { shards: ${SHARDS} }
  storage: { rollups: [] }
`

const RULES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  hot: { when: 'last(temperature) > 8.0', clearWhen: 'last(temperature) < 7.0' },
  'hot-for': { when: "avg(temperature, '20s') > 8.0 && last(door) == 'closed'", for: '15s', keepFiringFor: '10s' },
  often: { when: 'last(temperature) > 9.0', forReadings: 3 },
  busy: { when: "rate(count, '1m') > 0.4 || percentile(temperature, 0.9, '1m') > 11.0" },
  one: { when: 'last(temperature) > 8.0', selector: { matchLabels: { cargo: 'vaccine' } } },
}

let platform: Platform
let devices: readonly Device[]

const nextSecond = (at: number, i: number): number => at + (i % 40 === 39 ? 90_000 : 1000)

/** A noisy wave with pauses, the same each time. */
const readingsOf = (index: number): readonly object[] => {
  let ts = T0_MS
  return Array.from({ length: READINGS }, (_, i) => {
    ts = nextSecond(ts, i)
    const noise = ((i * 7919 + index * 104_729) % 100) / 20
    return {
      ts,
      temperature: Math.round((8 + 3 * Math.sin((i + index * 11) / 12) + noise - 2.5) * 100) / 100,
      ...(i % 3 !== 0 && { count: Math.floor(i / 3) ** (index + 1) }),
      ...(i % 5 === 0 && { door: i % 30 < 20 ? 'closed' : 'open' }),
    }
  })
}

/** Waits until each shard of the fleet judges so many rules. */
const untilJudged = async (count: number): Promise<void> => {
  await using nats = await connectNats('test', platform.nats.settings('admin'))
  const applied = await nats.bucket('fleetloom-applied')
  for (let shard = 0; shard < SHARDS; shard++)
    await until(
      async () => {
        const document = (await applied.get(appliedKey('alerter', FLEET, shard)))?.json<AppliedDocument>()
        return document?.rules?.length === count
      },
      { what: `shard ${shard} to judge ${count} rules`, deadlineMs: 30_000 },
    )
}

const publish = async (device: Device, readings: readonly object[]): Promise<void> => {
  await using session = await platform.connect(device)
  const topic = `fleets/coldchain/reefers/${device.device}/telemetry`
  await Promise.all(readings.map((one) => session.client.publishAsync(topic, JSON.stringify(one), { qos: 1 })))
}

const untilStored = (count: number): Promise<unknown> =>
  until(async () => (await platform.sql<{ n: number }>('SELECT count() n FROM coldchain_reefers'))[0]?.n === count, {
    what: `${count} rows in the table`,
    deadlineMs: 30_000,
  })

before(async () => {
  platform = await startPlatform({ manifests: { 'reefers.yaml': fleetYaml } })
  await platform.untilReady(FLEET)
  for (const [name, spec] of Object.entries(RULES))
    platform.apply(`${name}.yaml`, ruleYaml({ rule: { namespace: 'coldchain', name }, spec }))
  const cargo = (id: string) => (id === 'r-2' ? 'vaccine' : 'fish')
  devices = await Promise.all(
    DEVICES.map((device) => platform.register(FLEET, { device, labels: { cargo: cargo(device) } })),
  )
  await untilJudged(Object.keys(RULES).length)
  await Promise.all(devices.map((device, i) => publish(device, readingsOf(i))))
  await untilStored(DEVICES.length * READINGS)
})

after(() => platform[Symbol.asyncDispose]())

type Told = { readonly device: string; readonly from: string; readonly to: string; readonly at: string; value?: number }

type Result = {
  readonly cutShort?: string
  readonly until: string
  readonly counts: Readonly<Record<string, number>>
  readonly transitions: readonly Told[]
}

const END_MS = T0_MS + READINGS * 1000 + Math.floor(READINGS / 40) * 89_000
const PLACE = {
  ...{ namespace: 'coldchain', fleet: 'reefers' },
  ...{ from: new Date(T0_MS).toISOString(), to: new Date(END_MS + 1).toISOString() },
}

const send = <T = Record<string, unknown>>(body: object, key = admin()) =>
  request<T>(`${platform.api.url}/v1/alert-rules/dry-run`, 'POST', { key, body })

const admin = (): string => readFileSync(platform.adminKeyFile, 'utf8').trim()

const tryOut = async (body: object): Promise<Result> => {
  const answer = await send<Result>({ ...PLACE, ...body })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  return answer.body
}

const byDevice = (a: Told, b: Told): number => a.device.localeCompare(b.device) || a.at.localeCompare(b.at)

/** What the alerter recorded of a rule until the last reading. */
const recorded = async (rule: string): Promise<Told[]> => {
  const rows = await platform.sql<{ device: string; from: string; to: string; micros: number; value: number | null }>(
    `SELECT device, "from", "to", cast(ts AS LONG) micros, value FROM alerts
     WHERE rule = '${rule}' AND ts <= '${new Date(END_MS).toISOString()}'`,
  )
  return rows
    .map(({ micros, value, ...row }) => ({ ...row, at: instant(micros), ...(value !== null && { value }) }))
    .sort(byDevice)
}

const withoutSince = ({ device, from, to, at, value }: Told): Told => ({
  ...{ device, from, to, at },
  ...(value !== undefined && { value }),
})

test('a dry run finds exactly the transitions that the alerter recorded of the same readings', async () => {
  for (const [rule, spec] of Object.entries(RULES)) {
    const result = await tryOut(spec)
    const found = result.transitions.map(withoutSince).toSorted(byDevice)
    assert.ok(found.length > 2, `${rule}: ${found.length}`)
    await until(async () => (await recorded(rule)).length >= found.length, { what: `the history of ${rule}` })
    assert.deepEqual(found, await recorded(rule), rule)
    assert.equal(result.cutShort, undefined)
    assert.equal(result.counts.readings, (rule === 'one' ? 1 : DEVICES.length) * READINGS)
  }
})

test('devices can be named, and a part of the time be asked for', async () => {
  const all = await tryOut(RULES.hot as object)
  const some = await tryOut({ ...RULES.hot, devices: ['r-3'], from: new Date(T0_MS + 200_000).toISOString() })
  const expected = all.transitions.filter(
    ({ device, at }) => device === 'r-3' && at >= instant((T0_MS + 200_000) * 1000),
  )
  assert.ok(expected.length > 0)
  assert.deepEqual(some.transitions.map(({ at, to }) => [at, to]).at(-1), [expected.at(-1)?.at, expected.at(-1)?.to])
  assert.equal(some.counts.devices, 1)
})

test('silence is found by the time that passed', async () => {
  const { transitions } = await tryOut({ when: "absent(temperature, '60s')", devices: ['r-1'] })
  const fired = transitions.filter(({ to }) => to === 'firing')
  assert.equal(fired.length, Math.floor(READINGS / 40))
  assert.equal(transitions.length - fired.length, fired.length)
})

test('events are counted from their table', async () => {
  const events = [1, 2, 3, 4].map((i) => ({ device: 'r-1', type: 'login_failed', ts: T0_MS + i * 1000 }))
  await platform.call('POST', '/v1/namespaces/coldchain/fleets/reefers/events', events)
  const stored = `SELECT count() n FROM coldchain_events WHERE type = 'login_failed'`
  await until(async () => (await platform.sql<{ n: number }>(stored))[0]?.n === events.length, {
    what: 'the events in their table',
  })
  const { transitions, counts } = await tryOut({ when: "eventCount('login_failed', '1m') > 2" })
  assert.equal(counts.events, 4)
  assert.deepEqual([transitions[0]?.device, transitions[0]?.to, transitions[0]?.value], ['r-1', 'firing', 3])
})

test('what can not be tried is refused with the reason', async () => {
  type Problem = { readonly errors: readonly { readonly field: string; readonly reason: string }[] }
  const first = async (body: object) => {
    const answer = await send<Problem>({ ...PLACE, ...body })
    const [fault] = answer.body.errors
    return `${answer.status} ${fault?.field}: ${fault?.reason}`
  }
  assert.match(await first({ when: 'last(temprature) > 8' }), /^400 when: .*line 1, column 6.*temperature/)
  assert.match(await first({ when: 'true', from: '2020-01-01T00:00:00Z' }), /^400 from: .*31 days/)
  assert.match(await first({ ...RULES.hot, devices: ['r-1', 'nobody'] }), /^400 devices: the fleet has no such device/)
  assert.match(await first({ ...RULES.hot, fleet: 'nope' }), /^404 fleet: /)
  const { key } = await platform.call<{ key: string }>('POST', '/v1/keys', {
    ...{ name: 'elsewhere', namespaces: ['other'], verbs: ['alert-rules:dry-run'] },
  })
  assert.equal((await send({ ...PLACE, ...RULES.hot }, key)).status, 403)
})

/** How long something takes, ms. */
const msOf = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now()
  await work()
  return performance.now() - started
}

test('one key tries one rule at a time, and others are served meanwhile', async () => {
  const long = { ...RULES.hot, from: new Date(Date.now() - 30 * 86_400_000).toISOString() }
  const askMs = () => msOf(async () => (await fetch(`${platform.api.url}/healthz`)).text())
  let usual = 0
  for (let i = 0; i < 20; i++) usual = Math.max(usual, await askMs())
  const both = [send({ ...PLACE, ...long }), send({ ...PLACE, ...long })]
  let isOver = false
  const statuses = Promise.all(both).then((answers) => {
    isOver = true
    return answers.map(({ status }) => status).sort()
  })
  let longest = 0
  while (!isOver) longest = Math.max(longest, await askMs())
  assert.deepEqual(await statuses, [200, 429])
  assert.ok(longest < 1000 + 5 * usual, `${longest} ms, ${usual} ms before`)
})

test('a dry run ends when its caller goes away', async () => {
  const body = JSON.stringify({ ...PLACE, ...RULES.hot, from: new Date(Date.now() - 30 * 86_400_000).toISOString() })
  const headers = { authorization: `Bearer ${admin()}`, 'content-type': 'application/json' }
  const gone = new AbortController()
  const options = { method: 'POST', headers, body, signal: gone.signal }
  const start = () =>
    fetch(`${platform.api.url}/v1/alert-rules/dry-run`, options).then(
      ({ status }) => `answered with ${status}`,
      () => 'left',
    )
  const tryShort = async () => (await send({ ...PLACE, ...RULES.hot })).status
  const shortMs = await msOf(tryShort)
  let long = start()
  await until(
    async () => {
      if ((await tryShort()) === 429) return true
      // the short one may have had the turn, and the long one been refused
      if ((await Promise.race([long, undefined])) !== undefined) long = start()
      return false
    },
    { what: 'the dry run to be under way' },
  )
  gone.abort()
  assert.equal(await long, 'left')
  await until(async () => (await tryShort()) === 200, {
    ...{ what: 'the turn to be free', deadlineMs: 2_000 + 5 * shortMs },
  })
})

type Shown = { readonly device: string; readonly online?: boolean; readonly lastSeen?: string }

test('a device shows when it was last heard of, and without an alerter it shows the rest', async () => {
  await platform.register(FLEET, 'silent')
  const path = devicesPath(FLEET)
  type Page = { readonly items: readonly Shown[]; readonly presenceUnavailable?: string }
  const page = await until(
    async () => {
      const found = await platform.call<Page>('GET', path)
      return found.items.every(({ online }) => online !== undefined) ? found : undefined
    },
    { what: 'the presence of all devices' },
  )
  assert.equal(page.presenceUnavailable, undefined)
  for (const { device, online, lastSeen } of page.items) {
    assert.equal(online, device !== 'silent', device)
    assert.equal(lastSeen === undefined, device === 'silent', device)
    if (lastSeen) assert.ok(Math.abs(Date.now() - Date.parse(lastSeen)) < 300_000, lastSeen)
  }
  const one = await until(
    async () => {
      const found = await platform.call<Shown>('GET', `${path}/r-1`)
      return found.online !== undefined && found
    },
    { what: 'the presence of r-1' },
  )
  assert.deepEqual([one.online, typeof one.lastSeen], [true, 'string'])
  await platform.alerter.kill('SIGTERM')
  const alone = await platform.call<Shown & { presenceUnavailable?: string }>('GET', `${path}/r-1`)
  assert.match(alone.presenceUnavailable ?? '', /no alerter answered/)
  assert.deepEqual([alone.device, alone.online, alone.lastSeen], ['r-1', undefined, undefined])
})

test('a dry run over more rows than it reads is cut short, and says how far it came', async () => {
  const [most, more] = [1_000_000, 50]
  const startMs = T0_MS - 10 * 86_400_000
  await platform.sql(
    `INSERT INTO coldchain_reefers (ts, device, digest, temperature)
     SELECT timestamp_sequence(to_timestamp('${new Date(startMs).toISOString()}', 'yyyy-MM-ddTHH:mm:ss.SSSz'), 10000),
       'r-2', x, CASE WHEN x % 1000 = 0 THEN 9.0 ELSE 5.0 END FROM long_sequence(${most + more})`,
  )
  await untilStored(DEVICES.length * READINGS + most + more)
  const time = { from: new Date(startMs).toISOString(), to: new Date(startMs + 86_400_000).toISOString() }
  const result = await tryOut({ ...RULES.hot, ...time, limit: 1 })
  assert.match(result.cutShort ?? '', /at most 1000000 rows/)
  assert.equal(result.until, instant((startMs + most * 10) * 1000))
  assert.deepEqual(
    [result.counts.readings, result.counts.firing, result.counts.resolved, result.transitions.length],
    [most, most / 1000, most / 1000 - 1, 1],
  )
})
