/** The chart as helm renders it: what it takes as values, and that each service understands what it is told. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { alerterConfig } from '@fleetloom/alerter/config'
import { apiConfig } from '@fleetloom/api/config'
import { config as ingestConfig } from '@fleetloom/ingest/config'
import { config as operatorConfig } from '@fleetloom/operator/config'
import { envName, readConfig } from '@fleetloom/shared/process/config'
import { STOP_TIMEOUT_MS } from '@fleetloom/shared/process/run'
import { writerConfig } from '@fleetloom/writer/config'
import { command } from '../cluster/kubernetes.ts'
import { USER } from '../cluster/oci.ts'
import { SERVICE_STOP_MS } from '../kit/child.ts'
import { nodeEnv, SERVICES, type Service } from '../kit/services.ts'
import {
  BROKERS,
  binaries,
  CHART,
  changedAt,
  INSTALLATIONS,
  type Installation,
  type Json,
  leavesOf,
  manifestsOf,
  objectsIn,
  type Pod,
  podsOf,
  presets,
  render,
  schema,
} from './chart-under-test.ts'

const CONFIGS: Readonly<Record<Service, Parameters<typeof readConfig>[0]>> = {
  operator: operatorConfig,
  api: apiConfig,
  alerter: alerterConfig,
  writer: writerConfig,
  ingest: ingestConfig,
}

const OTHER: Readonly<Record<string, Json>> = {
  sharedPrefixes: [{ prefix: 'sensors/', namespace: 'climate' }],
  'image.pullPolicy': 'Always',
  'broker.kind': 'mosquitto',
  'broker.emqx.mqttUrl': 'mqtt://emqx:1884',
  'broker.emqx.apiUrl': 'https://emqx:18084',
  'broker.emqx.zone': 'static',
  'broker.emqx.sessionExpiry': '2h',
  'broker.emqx.messagesRate': '100/s',
  'deviceCa.crlUrl': 'http://api.example.com/v1/device-ca/crl',
  'alerter.alertmanagerUrls': ['http://alertmanager:9093'],
  'alerter.alertUrl': 'https://grafana.example.com/d/other',
  'alerter.webhookAllowedNetworks': ['10.30.0.0/16'],
  'alerts.ttl': '90d',
  'questdb.eventsTtl': '30d',
  logLevel: 'debug',
  'api.service.type': 'NodePort',
}

const changed = (path: readonly string[], value: Json): Json =>
  OTHER[path.join('.')] ?? (typeof value === 'number' ? value + 1 : `${value}x`)

/** What a variable that Kubernetes fills in may be. */
const FILLED_IN = 'fleetloom-0'

const envOf = ({ containers: [{ env }] }: Pod): Record<string, string> =>
  Object.fromEntries(env.map(({ name, value = FILLED_IN }) => [name, value]))

test('helm finds no fault', async () => {
  const said = await command((await binaries()).helm, ['lint', '--strict', CHART])
  assert.match(said, /1 chart\(s\) linted, 0 chart\(s\) failed/)
})

test('an unknown value is refused by name, at every level', async () => {
  const open = objectsIn(schema).filter((one) => one.type === 'object' && one.additionalProperties !== false)
  assert.deepEqual(open, [])
  await assert.rejects(render({ ingest: { replica: 3 } }), /ingest.*additional properties 'replica' not allowed/s)
})

/** The brokers with which another value at this path changes what is rendered. */
const brokersThatSee = async (path: readonly string[], value: Json): Promise<Installation[]> => {
  const seen = await Promise.all(
    BROKERS.map(async (broker) => {
      const values = INSTALLATIONS[broker]
      const other = changedAt(values, path, changed(path, value)) as object
      return (await render(other)) === (await render(values)) ? [] : [broker]
    }),
  )
  return seen.flat()
}

test('every value has an effect, and that of one broker none with the other', async () => {
  for (const [path, value] of leavesOf(presets)) {
    const name = path.join('.')
    const only = BROKERS.filter((broker) => name.startsWith(`broker.${broker}.`))
    const expected = name === 'broker.kind' ? ['emqx'] : only.length > 0 ? only : BROKERS
    assert.deepEqual(await brokersThatSee(path, value), expected, name)
  }
})

test('a value that the broker needs and that is missing is named, with what to set it to', async () => {
  const { emqx } = INSTALLATIONS
  for (const key of ['mqttUrl', 'apiUrl', 'existingSecret']) {
    const values = changedAt(emqx, ['broker', 'emqx', key], '') as object
    await assert.rejects(render(values), new RegExp(`broker.emqx.${key} is empty: with broker.kind=emqx set it to `))
  }
  const unlisted = changedAt(emqx, ['deviceCa', 'crlUrl'], '') as object
  await assert.rejects(render(unlisted), /deviceCa.crlUrl is empty: .*; set it to the URL of GET/)
  await assert.rejects(render({ broker: { kind: 'vernemq' } }), /broker\/kind.*one of 'mosquitto', 'emqx'/)
})

test('replicas of the api that would share a user of Mosquitto are refused', async () => {
  const broker = { mosquitto: { apiUser: 'fleetloom_api' } }
  await assert.rejects(render({ broker }), /broker.mosquitto.apiUser is fleetloom_api: without \$\(POD_INDEX\)/)
  await render({ broker, api: { replicas: 1 } })
})

test('a prefix inside that of another namespace is refused, as the operator would refuse it', async () => {
  const grant = (prefix: string, namespace: string) => ({ prefix, namespace })
  const sharedPrefixes = [grant('plant/', 'north'), grant('plant/hall-1/', 'south')]
  await assert.rejects(render({ sharedPrefixes }), /plant\/hall-1\/ of south lies inside plant\/, .* granted to north/)
  await assert.rejects(render({ sharedPrefixes: sharedPrefixes.toReversed() }), /plant\/hall-1\/ of south lies inside/)
  await render({ sharedPrefixes: [grant('plant/', 'north'), grant('plant/hall-1/', 'north')] })
})

test('a password in a URL, the tag latest and what can be no name are refused', async () => {
  await assert.rejects(render({ nats: { url: 'nats://me:secret@nats:4222' } }), /nats\/url/)
  await assert.rejects(render({ image: { tag: 'latest' } }), /image\/tag/)
  await assert.rejects(render({ platformKey: { existingSecret: 'a, key: b' } }), /platformKey\/existingSecret/)
  await assert.rejects(render({ deviceCa: { existingSecret: 'A' } }), /deviceCa\/existingSecret/)
  const alerter = (one: object) => render({ alerter: one })
  await assert.rejects(alerter({ alertmanagerUrls: ['http://me:secret@alertmanager:9093'] }), /alertmanagerUrls\/0/)
  await assert.rejects(alerter({ alertUrl: 'https://me:secret@grafana/d/alerts' }), /alerter\/alertUrl/)
  await assert.rejects(alerter({ webhookAllowedNetworks: ['receivers.local'] }), /webhookAllowedNetworks\/0/)
})

/** What the api and the operator ask for when they start on this broker. */
const BROKER_FILES = {
  mosquitto: ['MQTT_PASSWORD_FILE'],
  emqx: ['EMQX_API_KEY_FILE', 'EMQX_API_SECRET_FILE'],
} as const satisfies Record<Installation, readonly string[]>

for (const broker of BROKERS)
  test(`on ${broker} each service knows all that it is told, and needs no more`, async () => {
    const notOurs = new Set([...Object.keys(nodeEnv), 'POD_INDEX'])
    const pods = await podsOf(INSTALLATIONS[broker])
    for (const service of SERVICES) {
      const env = envOf(pods[service])
      const known = new Set(Object.keys(CONFIGS[service].shape).map(envName))
      const unknown = Object.keys(env).filter((name) => !known.has(name) && !notOurs.has(name))
      assert.deepEqual(unknown, [], service)
      assert.doesNotThrow(() => readConfig(CONFIGS[service], env), service)
    }
    for (const service of ['operator', 'api'] as const) {
      const env = envOf(pods[service])
      assert.equal(env.BROKER, broker)
      const files = Object.keys(env).filter((name) => /^(MQTT|EMQX)_.*_FILE$/.test(name))
      assert.deepEqual(files, BROKER_FILES[broker], service)
    }
  })

const QUESTDB = 'fleetloom-questdb/password'
const PLATFORM_KEY = 'fleetloom-platform-key/platform-key'
const PLATFORM_KEYS = [PLATFORM_KEY, 'fleetloom-platform-key-previous/platform-key']
const DEVICE_CA = ['fleetloom-device-ca/tls.crt', 'fleetloom-device-ca/tls.key']
const ACCOUNTS = {
  mosquitto: (service: Service) => [`fleetloom-mqtt/${service}`],
  emqx: (service: Service) => [`fleetloom-emqx/${service}-key`, `fleetloom-emqx/${service}-secret`],
} as const satisfies Record<Installation, unknown>

const keysOn = (broker: Installation): Readonly<Record<Service, readonly string[]>> => ({
  operator: ['fleetloom-nats/operator', ...ACCOUNTS[broker]('operator'), QUESTDB, ...PLATFORM_KEYS],
  api: ['fleetloom-nats/api', ...ACCOUNTS[broker]('api'), QUESTDB, 'fleetloom-admin-key/admin-key', ...DEVICE_CA],
  alerter: ['fleetloom-nats/alerter', QUESTDB, ...PLATFORM_KEYS],
  writer: ['fleetloom-nats/writer', QUESTDB],
  ingest: ['fleetloom-nats/ingest', PLATFORM_KEY],
})

for (const broker of BROKERS)
  test(`on ${broker} each pod has the keys that its service reads, and no other`, async () => {
    const pods = await podsOf(INSTALLATIONS[broker])
    for (const service of SERVICES) {
      const secrets = pods[service].volumes[0].projected.sources.map(({ secret }) => secret)
      const keys = secrets.flatMap(({ name, items }) => items.map(({ key }) => `${name}/${key}`))
      assert.deepEqual(keys, keysOn(broker)[service], service)
      const files = secrets.flatMap(({ items }) => items.map(({ path }) => `/secrets/${path}`))
      const read = Object.entries(envOf(pods[service])).flatMap(([name, value]) =>
        name.endsWith('_FILE') ? [value] : [],
      )
      assert.deepEqual(read.sort(), files.sort(), service)
    }
  })

/** The first two columns of the table, as `SECRET/KEY`. */
const documentedKeys = (markdown: string): string[] =>
  [...markdown.matchAll(/^\| `(fleetloom-[a-z-]+)` \| ([^|]+) \|/gm)].flatMap(([, secret, keys = '']) =>
    keys.split(', ').map((key) => `${secret}/${key.replaceAll('`', '')}`),
  )

test('the README lists the keys that are mounted, and no other', () => {
  const mounted = BROKERS.flatMap((broker) => Object.values(keysOn(broker)).flat())
  const documented = documentedKeys(readFileSync(join(CHART, 'README.md'), 'utf8'))
  assert.deepEqual(documented.toSorted(), [...new Set(mounted)].sort())
})

test('every container is restricted, on a root file system that it can not write; only the operator has a token', async () => {
  const pods = await podsOf({})
  for (const service of SERVICES) {
    const { automountServiceAccountToken, securityContext, containers } = pods[service]
    assert.equal(automountServiceAccountToken, service === 'operator', service)
    assert.deepEqual(securityContext, {
      ...{ runAsNonRoot: true, runAsUser: USER, runAsGroup: USER, fsGroup: USER },
      seccompProfile: { type: 'RuntimeDefault' },
    })
    assert.deepEqual(containers[0].securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  }
})

test('a pod has the time that its process takes to stop, and so has a process of the kit', async () => {
  assert.equal(SERVICE_STOP_MS, STOP_TIMEOUT_MS)
  const pods = await podsOf({})
  for (const service of SERVICES) {
    const { terminationGracePeriodSeconds, containers } = pods[service]
    const before = containers[0].lifecycle?.preStop.sleep.seconds ?? 0
    assert.ok((terminationGracePeriodSeconds - before) * 1000 > STOP_TIMEOUT_MS, service)
  }
})

test('every object says what it belongs to', async () => {
  const strays = manifestsOf(await render()).filter(({ metadata: { labels = {} } }) => {
    const { 'app.kubernetes.io/instance': instance, 'app.kubernetes.io/part-of': whole } = labels
    return instance !== 'fleetloom' || whole !== 'fleetloom'
  })
  assert.deepEqual(strays, [])
})

test('Node is set up as where it is measured', async () => {
  const { NODE_COMPILE_CACHE: _, ...measured } = nodeEnv
  const pods = await podsOf({})
  for (const service of SERVICES) {
    const env = envOf(pods[service])
    assert.deepEqual(Object.fromEntries(Object.keys(measured).map((name) => [name, env[name]])), measured)
  }
})
