/**
 * The alerter's outbox with real servers: the test does the operator's part (stream, table, the MQTT account) and the rules' part
 * (transitions on the stream), and is the webhook.
 */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parkedRecord } from '@fleetloom/alerter/notify/delivery'
import { namesOf } from '@fleetloom/crds/names'
import { ALERT_COLUMNS, ALERT_KEYS } from '@fleetloom/shared/alerts/alerts-table'
import { allRecords } from '@fleetloom/shared/alerts/records'
import type { Receiver } from '@fleetloom/shared/alerts/rule-document'
import { subjectOf, type Transition, transitionId } from '@fleetloom/shared/alerts/transition'
import { sessionPassword } from '@fleetloom/shared/broker/session-password'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { DiscardPolicy } from '@nats-io/jetstream'
import { type AlertmanagerServer, startAlertmanager } from '../kit/alertmanager.ts'
import { type Child, startChild } from '../kit/child.ts'
import { type MosquittoServer, startMosquitto } from '../kit/mosquitto.ts'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { freePort } from '../kit/ports.ts'
import { type QuestdbServer, startQuestdb } from '../kit/questdb.ts'
import { type Secret, secretFile } from '../kit/secret-file.ts'
import { tempDir, tempLog } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import { testBroker } from './api-under-test.ts'

const MAIN = join(import.meta.dirname, '../../services/alerter/src/main.ts')
export const names = namesOf()

export const T0_MICROS = Date.parse('2026-01-01T00:00:00Z') * 1000

export type Alerter = Child & { readonly url: string }

export type AlerterUnderTest = AsyncDisposable & {
  readonly nats: NatsServer
  readonly questdb: QuestdbServer
  readonly mosquitto: MosquittoServer
  readonly alertmanagers: readonly AlertmanagerServer[]
  readonly client: Nats
  readonly platformKey: Secret
  startAlerter(env?: Readonly<Record<string, string>>): Promise<Alerter>
  /** Publishes as the alerter's shards do; a repeat is refused, which is a success. */
  publish(one: Transition): Promise<void>
  /** Rows of the alerts' table for one rule, in the order of time. */
  rows(rule: string): Promise<readonly AlertRow[]>
}

export type AlertRow = {
  readonly id: string
  readonly to: string
  readonly device: string
  readonly value: number | null
}

const TABLE = `CREATE TABLE "${names.alertsTable}" (${ALERT_COLUMNS.map(([name, type]) => `"${name}" ${type}`).join(', ')}) TIMESTAMP(ts) PARTITION BY MONTH WAL DEDUP UPSERT KEYS(${ALERT_KEYS.map((key) => `"${key}"`).join(', ')})`

const prepareStreams = async ({ jsm, bucket }: Nats): Promise<void> => {
  await jsm.streams.add({ name: names.deadLetters, subjects: [names.deadSubjects], allow_direct: true })
  const alerts = { name: names.alertStream, subjects: [names.alertSubjects], allow_direct: true }
  await jsm.streams.add({ ...alerts, discard: DiscardPolicy.New, max_bytes: 64 * 1024 ** 2 })
  await bucket(names.buckets.alerts)
  await bucket(names.buckets.applied)
}

/** An account that may publish below the test's namespace. */
const prepareBroker = async (mosquitto: MosquittoServer, platformKey: Secret): Promise<void> => {
  await using broker = testBroker(mosquitto)
  const username = names.alerterUser
  const secret = { plain: sessionPassword(Buffer.from(platformKey.value), username) }
  const acl = { publish: ['fleets/coldchain/reefers/+/alerts'], subscribe: [] }
  await until(() => broker.ping().then(() => true), { what: 'the broker to answer' })
  const [result] = await broker.put([{ username, acl, disabled: false, secret }])
  if (result?.error !== undefined) throw new Error(result.error)
}

const publishTo = async ({ js }: Nats, one: Transition): Promise<void> => {
  try {
    await js.publish(subjectOf(names, one), JSON.stringify(one), { expect: { lastSubjectSequence: 0 } })
  } catch (error) {
    if (!/wrong last sequence/i.test(String(error))) throw error
  }
}

export const startAlerterUnderTest = async (alertmanagerCount = 1): Promise<AlerterUnderTest> => {
  await using started = new AsyncDisposableStack()
  const [nats, questdb, mosquitto] = await Promise.all([startNats(), startQuestdb(), startMosquitto()])
  for (const server of [nats, questdb, mosquitto]) started.use(server)
  const alertmanagers = await Promise.all(Array.from({ length: alertmanagerCount }, () => startAlertmanager()))
  for (const server of alertmanagers) started.use(server)
  const client = started.use(await connectNats('test', nats.settings()))
  const platformKey = secretFile(join(started.use(tempDir('alerter')).path, 'platform.key'))
  await prepareStreams(client)
  await prepareBroker(mosquitto, platformKey)
  await questdb.sql(TABLE)
  const stack = started.move()
  const { natsUrl, natsUser, natsPasswordFile } = nats.settings('alerter')
  return {
    ...{ nats, questdb, mosquitto, alertmanagers, client, platformKey },
    publish: (one) => publishTo(client, one),
    rows: (rule) =>
      questdb.sql<AlertRow>(
        `SELECT id, "to", device, value FROM "${names.alertsTable}" WHERE rule = '${rule}' ORDER BY ts`,
      ),
    startAlerter: async (env = {}) => {
      const url = `http://127.0.0.1:${await freePort()}`
      const child = await startChild({
        name: 'alerter',
        command: process.execPath,
        args: [MAIN],
        env: {
          NATS_URL: natsUrl,
          NATS_USER: natsUser,
          NATS_PASSWORD_FILE: natsPasswordFile,
          QUESTDB_URL: questdb.url,
          QUESTDB_USER: questdb.user,
          QUESTDB_PASSWORD_FILE: questdb.password.file,
          MQTT_URL: mosquitto.url,
          PLATFORM_KEY_FILE: platformKey.file,
          ...(alertmanagers.length > 0 && { ALERTMANAGER_URLS: alertmanagers.map((one) => one.url).join(',') }),
          ALERTMANAGER_RESEND_MS: '2000',
          WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
          WEBHOOK_BACKOFF_MS: '100',
          HTTP_PORT: new URL(url).port,
          LOG_LEVEL: 'debug',
          ...env,
        },
        logFile: tempLog('alerter'),
        ready: async () => (await fetch(`${url}/healthz`)).ok,
      })
      return stack.use(Object.assign(child, { url }))
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  }
}

/** A transition of the test's fleet; what is not said is that of an alert that begins to fire. */
export const transition = (rule: string, change: Partial<Transition> = {}): Transition => {
  const one = {
    version: '1.0',
    installation: 'fleetloom',
    namespace: 'coldchain',
    fleet: 'reefers',
    rule,
    ruleUid: `uid-${rule}`,
    device: 'reefer-7',
    from: 'inactive',
    to: 'firing',
    cause: 'condition',
    atMicros: T0_MICROS,
    value: 8.25,
    severity: 'critical',
    labels: { team: 'cold' },
    annotations: { summary: 'too warm' },
    notify: [],
    ...change,
  } as const satisfies Omit<Transition, 'id'>
  return { id: transitionId(one), ...one }
}

/** Firing, then resolved, then firing … of one device, `stepMicros` apart. */
export const flapping = (
  rule: string,
  { device, count, notify }: { readonly device: string; readonly count: number; readonly notify: Receiver[] },
): Transition[] =>
  Array.from({ length: count }, (_, i) => {
    const isFiring = i % 2 === 0
    const atMicros = T0_MICROS + i * 1_000_000
    return transition(rule, {
      ...{ device, notify, atMicros },
      from: isFiring ? 'inactive' : 'firing',
      to: isFiring ? 'firing' : 'resolved',
      firingSinceMicros: isFiring ? atMicros : atMicros - 1_000_000,
    })
  })

/** Ids of the transitions of a rule that wait for a webhook, as the records say that alerters keep of them. */
export const parkedOf = async ({ jsm }: Nats, rule: string): Promise<string[]> => {
  const records = await Array.fromAsync(allRecords(jsm, names.buckets.alerts, 'delivery.>'))
  const parked = records.map(({ value }) => parkedRecord.parse(JSON.parse(`${Buffer.from(value)}`)).transition)
  return parked.flatMap((one) => (one.rule === rule ? [one.id] : []))
}

export type Heard = { readonly headers: IncomingHttpHeaders; readonly body: string; readonly path: string }

export type WebhookReceiver = AsyncDisposable & {
  readonly url: string
  readonly heard: Heard[]
  /** Ids of what was taken, in order. */
  ids(path?: string): string[]
}

/** Keeps what it hears. `answer` gives the status for a request; undefined: it never answers. */
export const startWebhook = async (
  answer: (request: Heard, count: number) => number | undefined | Record<string, string> = () => 204,
): Promise<WebhookReceiver> => {
  const heard: Heard[] = []
  const taken: Heard[] = []
  const server = createServer(async (request, response) => {
    const one = { headers: request.headers, body: await text(request), path: request.url ?? '' }
    heard.push(one)
    const given = answer(one, heard.length)
    if (given === undefined) return
    const { status, ...headers } = typeof given === 'number' ? { status: given } : given
    if (Number(status) < 300) taken.push(one)
    response.writeHead(Number(status), headers).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    ids: (path) =>
      taken
        .filter((one) => path === undefined || one.path === path)
        .map(({ body }) => (JSON.parse(body) as Transition).id),
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
