/**
 * What `make bench-alerts` measures on: real servers, ingest, writer, alerter and api, and the operator's part done by hand, because
 * ten thousand accounts are more than Mosquitto takes. A few users publish for all devices.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { appliedKey, fleetKey, namesOf, ruleKey } from '@fleetloom/crds/names'
import { ALERT_COLUMNS, ALERT_KEYS } from '@fleetloom/shared/alerts/alerts-table'
import { openAlertsBucket } from '@fleetloom/shared/alerts/bucket'
import type { Receiver, RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import { ruleDocumentOf } from '@fleetloom/shared/alerts/testing'
import { ingestAcl } from '@fleetloom/shared/broker/acl'
import { sessionPassword } from '@fleetloom/shared/broker/session-password'
import { EVENT_COLUMNS } from '@fleetloom/shared/events/row'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { appliedDocument } from '@fleetloom/shared/pipeline/applied-document'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Login } from '@fleetloom/simulator/load/session'
import { DiscardPolicy } from '@nats-io/jetstream'
import { type ApiClient, createApiClient } from '../kit/api-client.ts'
import { makeFleetStream } from '../kit/fleet-stream.ts'
import { secretFile } from '../kit/secret-file.ts'
import { type ServiceProcess, type Surroundings, startService } from '../kit/services.ts'
import { tempDir } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import type { Bench } from './contender.ts'
import { benchFleet } from './fleet.ts'
import { startServers } from './servers.ts'

const names = namesOf()
export const FLEET = { namespace: 'bench', name: 'alerts' } as const
const SHARDS = [0, 1, 2, 3]
const PUBLISHERS = 4
const RULES = [
  "avg(temperature, '1m') > 900",
  "avg(humidity, '1m') > 99 && last(state) == 'ok'",
  "max(temperature, '1m') > 1000",
  "min(humidity, '1m') < 1",
  "stddev(temperature, '1m') > 500",
  "rate(humidity, '1m') > 400",
  "delta(temperature, '1m') > 4000",
  "count(humidity, '1m') > 4000",
  "sum(temperature, '1m') < -1",
] as const
/** What a sample of the bench crosses. */
export const THRESHOLD = 100

export const topicOf = (device: string): string => `bench/${device}/telemetry`
export const eventTopicOf = (device: string): string => `bench/${device}/events`

/** A notification as the bench's webhook heard it. */
export type Heard = { readonly status: string; readonly at: string; readonly heardMicros: number }

export type AlertingPlatform = AsyncDisposable & {
  readonly bench: Bench
  readonly logins: readonly Login[]
  readonly alerter: ServiceProcess
  readonly api: ApiClient
  /** Everything the webhook heard; may be emptied. */
  readonly heard: Heard[]
}

const document = (): FleetDocument =>
  benchFleet(FLEET, {
    topics: { telemetry: [topicOf('{device}')], events: [eventTopicOf('{device}')], errors: 'bench/{device}/errors' },
    offlineAfterMs: 3_600_000,
    shards: SHARDS.length,
    stream: { maxBytes: 1024 ** 3 },
  })

const rule = (name: string, when: string, notify: readonly Receiver[] = []): RuleDocument =>
  ruleDocumentOf(FLEET, { name, when, notify: [...notify], severity: 'warning' })

const columns = (list: readonly (readonly [string, string])[]): string =>
  list.map(([name, type]) => `"${name}" ${type}`).join(', ')

const makeTables = async ({ questdb }: Bench, { table, measurements }: FleetDocument): Promise<void> => {
  const readings = measurements.map(({ name, type }) => [name, type === 'Symbol' ? 'SYMBOL' : 'DOUBLE'] as const)
  const base = [['ts', 'TIMESTAMP'] as const, ['device', 'SYMBOL CAPACITY 16384'] as const]
  const rowKeys = 'ts, device, digest'
  const make = (name: string, list: readonly (readonly [string, string])[], keys: string) =>
    questdb.sql(
      `CREATE TABLE "${name}" (${columns(list)}) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(${keys})`,
    )
  await make(table, [...base, ...readings, ['digest', 'LONG']], rowKeys)
  await make(names.eventsTable(FLEET.namespace), Object.entries(EVENT_COLUMNS), rowKeys)
  await make(names.alertsTable, ALERT_COLUMNS, ALERT_KEYS.map((key) => `"${key}"`).join(', '))
}

const makeStreams = async ({ jsm }: Nats): Promise<void> => {
  await jsm.streams.add({ name: names.alertStream, subjects: [names.alertSubjects], discard: DiscardPolicy.New })
  await jsm.streams.add({ name: names.deadLetters, subjects: [names.deadSubjects], allow_direct: true })
}

const registerAll = async (client: Nats, devices: readonly string[]): Promise<void> => {
  const kv = await client.bucket(names.buckets.devices)
  const at = new Date().toISOString()
  const recordOf = (device: string): string =>
    JSON.stringify({
      ...{
        version: '1.0',
        namespace: FLEET.namespace,
        fleet: FLEET.name,
        device,
        type: '',
        labels: {},
        displayName: '',
      },
      ...{ disabled: false, secret: { iterations: 1, salt: '', hash: '' }, createdAt: at, updatedAt: at },
    })
  for (let i = 0; i < devices.length; i += 500)
    await Promise.all(
      devices.slice(i, i + 500).map((device) => kv.put(`${FLEET.namespace}.${device}`, recordOf(device))),
    )
}

const microsNow = (): number => Math.round((performance.timeOrigin + performance.now()) * 1000)

const startWebhook = async (heard: Heard[]) => {
  const server = createServer(async (request, response) => {
    const heardMicros = microsNow()
    const { status, at } = JSON.parse(await text(request)) as Heard
    heard.push({ status, at, heardMicros })
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const publishers = async (bench: Bench): Promise<Login[]> => {
  const logins: Login[] = []
  for (let i = 0; i < PUBLISHERS; i++) {
    const username = `bench_publisher_${i}`
    const publish = [topicOf('+'), eventTopicOf('+')]
    logins.push({ clientId: username, username, password: await bench.user(username, { publish, subscribe: [] }) })
  }
  return logins
}

/** Resolves once ingest subscribes and every shard judges all rules. */
const untilReady = async (client: Nats, { uid }: FleetDocument, rules: number): Promise<void> => {
  const applied = await client.bucket(names.buckets.applied)
  const reportAt = async (key: string) => appliedDocument.safeParse((await applied.get(key))?.json()).data
  const isReady = async (): Promise<boolean> => {
    const shards = await Promise.all(SHARDS.map((shard) => reportAt(appliedKey('alerter', FLEET, shard))))
    const ingest = await reportAt(appliedKey('ingest', FLEET))
    const judges = shards.every((shard) => shard?.uid === uid && shard.rules?.length === rules)
    return judges && ingest?.uid === uid && ingest.state === 'Subscribed'
  }
  await until(isReady, { what: 'ingest and the alerter to follow', deadlineMs: 60_000 })
}

const surroundings = (bench: Bench, folder: string): Surroundings => ({
  ...bench,
  platformKey: secretFile(join(folder, 'platform-key')),
  adminKeyFile: join(folder, 'admin-key'),
  manifests: folder,
  state: join(folder, 'state.json'),
  sharedPrefixes: [],
})

/** Ten rules with windows over these devices; one of them tells the bench's webhook. */
export const startAlertingPlatform = async (devices: readonly string[]): Promise<AlertingPlatform> => {
  await using started = new AsyncDisposableStack()
  const bench = started.use(await startServers())
  const around = surroundings(bench, started.use(tempDir('alerts')).path)
  const client = started.use(await connectNats('bench', bench.nats.settings()))
  const heard: Heard[] = []
  const webhook = started.use(await startWebhook(heard))
  const fleet = document()
  await makeTables(bench, fleet)
  await makeFleetStream(client, fleet)
  await makeStreams(client)
  await openAlertsBucket(client, names)
  await registerAll(client, devices)
  const user = names.ingestUser(fleet)
  await bench.user(user, ingestAcl(fleet, 0), sessionPassword(Buffer.from(around.platformKey.value), user))
  const pipeline = await client.bucket(names.buckets.pipeline)
  await pipeline.put(fleetKey(fleet), JSON.stringify(fleet))
  const rules = [
    rule('hot', `last(temperature) > ${THRESHOLD}`, [{ kind: 'webhook', url: webhook.url }]),
    ...RULES.map((when, i) => rule(`window-${i}`, when)),
  ]
  for (const one of rules) await pipeline.put(ruleKey(one), JSON.stringify(one))
  const writer = started.use(await startService('writer', around))
  const env = { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' }
  const alerter = started.use(await startService('alerter', around, { env }))
  const api = started.use(await startService('api', around))
  started.use(await startService('ingest', around))
  await untilReady(client, fleet, rules.length)
  if (writer.pid === undefined) throw new Error('the writer is gone')
  const logins = await publishers(bench)
  const stack = started.move()
  return {
    ...{ bench, logins, alerter, heard },
    api: createApiClient(api.url, around.adminKeyFile),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
