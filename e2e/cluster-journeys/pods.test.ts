/** The chart installed on a node that runs pods: from `helm install` to a reading in the database and an alert, and pods that go. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ref } from '@fleetloom/crds/names'
import { startLoad } from '@fleetloom/simulator/load/load'
import { fleetYaml } from '../cluster/kube-platform.ts'
import { RELEASE } from '../cluster/kubernetes.ts'
import { prepareNode } from '../cluster/node.ts'
import { NODE_NAME } from '../cluster/node-files.ts'
import { FORMS, type Form } from '../journeys/fleets-under-load.ts'
import { balanceOf } from '../journeys/ledger.ts'
import { ruleYaml } from '../journeys/rules-under-test.ts'
import { devicesPath } from '../kit/api-client.ts'
import { deviceRequest } from '../kit/certificates.ts'
import { connectMqtt } from '../kit/mqtt.ts'
import { SERVICES } from '../kit/services.ts'
import { until } from '../kit/until.ts'
import { ROOT } from '../tools/paths.ts'
import { type Pods, startPods } from './pods-under-test.ts'

const EXAMPLES = join(ROOT, 'crds', 'examples')
const STATIONS = { namespace: 'weather', name: 'stations' }
const OBJECTS = FORMS[0] as Form
const DEVICES = 5
const READINGS_PER_SECOND = 200
/** Each question is a new connection; without a pause they take the CPU that the pods need to start. */
const ASK_EVERY_MS = 5
/** Alertmanager is told at once, and where that fails in the next round: ALERTMANAGER_RESEND_MS. */
const ROUND_MS = 60_000
/** Node alone has 127 million. */
const IMAGE_BYTES = 150_000_000

const skip = (await prepareNode()) ?? false

let pods: Pods

before(async () => {
  if (skip === false) pods = await startPods()
})
after(() => pods?.[Symbol.asyncDispose]())

const untilReady = ({ namespace, name }: Ref, seconds: number, kind = 'devicefleet'): Promise<string> =>
  pods.node.kubectl(
    ['wait', '--for=condition=Ready', `${kind}/${name}`, '--namespace', namespace].concat(`--timeout=${seconds}s`),
  )

const apply = (yaml: string, ...options: string[]): Promise<string> =>
  pods.node.kubectl(['apply', '-f', '-', ...options], yaml)

const leader = (): Promise<string> =>
  pods.ours('get', 'lease', 'fleetloom-operator', '--output', 'jsonpath={.spec.holderIdentity}')

/** A new device of the stations, outside of the cluster. */
const connectStation = async (name: string) => {
  const { username, password } = await pods.register(STATIONS, name)
  const url = `mqtt://${pods.mqtt.host}:${pods.mqtt.port}`
  const { client, [Symbol.asyncDispose]: dispose } = await connectMqtt({ url, username, password })
  let ts = 0
  return {
    /** Each reading is later than the one before it. */
    publish: (reading: object) => {
      ts = Math.max(ts + 1, Date.now())
      const body = JSON.stringify({ ...reading, ts })
      return client.publishAsync(`fleets/weather/stations/${name}/telemetry`, body, { qos: 1 })
    },
    [Symbol.asyncDispose]: dispose,
  }
}

const startReadings = async () => {
  const names = Array.from({ length: DEVICES }, (_, i) => `${OBJECTS.fleet.name}-${i}`)
  const devices = await Promise.all(names.map((name) => pods.register(OBJECTS.fleet, name)))
  return startLoad({
    ...pods.mqtt,
    logins: devices.map(({ username, password }) => ({ clientId: username, username, password })),
    devices: names,
    topicOf: OBJECTS.topicOf,
    payload: OBJECTS.payload,
    rate: READINGS_PER_SECOND,
  })
}

/** Readings flow while `trouble` goes on; what the broker acknowledged is in the database afterwards, once. */
const keepsReadings = async (trouble: () => Promise<void>): Promise<void> => {
  const { namespace, name } = OBJECTS.fleet
  const table = `${namespace}_${name}`
  await pods.sql(`truncate table ${table}`)
  const load = await startReadings()
  await trouble()
  const sent = await load.stop()
  const balance = () => balanceOf(pods.sql, { table, column: OBJECTS.column }, sent)
  const isSettled = async () => (await balance()).missing.length === 0
  await until(isSettled, { what: 'all readings', deadlineMs: 60_000, everyMs: 500 }).catch(() => undefined)
  const { missing, duplicates, acknowledged } = await balance()
  assert.deepEqual({ missing, duplicates }, { missing: [], duplicates: 0 })
  assert.ok(acknowledged > 0)
}

test('everything runs in a namespace that takes restricted pods only', { skip }, async () => {
  const label = 'jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}'
  assert.equal(await pods.node.kubectl(['get', 'namespace', RELEASE.namespace, '--output', label]), 'restricted')
  const running =
    'jsonpath={range .items[?(@.status.phase=="Running")]}{.metadata.labels.app\\.kubernetes\\.io/name} {end}'
  const names = (await pods.ours('get', 'pods', '--output', running)).trim().split(/\s+/).sort()
  const services = SERVICES.map((name) => `fleetloom-${name}`).sort()
  assert.deepEqual(
    names,
    services.flatMap((name) => [name, name]),
  )
})

test('an image is Node and little else', { skip }, async () => {
  const list = await pods.node.kubectl(['get', 'node', NODE_NAME, '--output', 'jsonpath={.status.images}'])
  const images = JSON.parse(list) as { names: string[]; sizeBytes: number }[]
  const isOurs = (name: string) => SERVICES.some((service) => name.includes(`/fleetloom-${service}:`))
  const ours = images.filter(({ names }) => names.some(isOurs))
  assert.equal(ours.length, SERVICES.length)
  for (const { names, sizeBytes } of ours)
    assert.ok(sizeBytes > 1_000_000 && sizeBytes < IMAGE_BYTES, `${names}: ${sizeBytes} bytes`)
})

/** What a tenant does before a rule may name a Secret, as the documentation has it. */
const grantSecrets = async (): Promise<void> => {
  const page = readFileSync(join(ROOT, 'docs', 'alert-rules.md'), 'utf8')
  const commands = [...page.matchAll(/^ {4}kubectl (.* -n coldchain .*)$/gm)].map(([, words = '']) => words)
  assert.equal(commands.length, 4)
  for (const words of commands) await pods.node.kubectl(words.split(' '))
}

test('the examples become Ready', { skip }, async () => {
  for (const namespace of ['climate', 'coldchain', 'lab', 'weather'])
    await pods.node.kubectl(['create', 'namespace', namespace])
  await grantSecrets()
  await pods.node.kubectl(['apply', '-f', EXAMPLES])
  const all = ['--all', '--all-namespaces', '--timeout=60s']
  const ready = await pods.node.kubectl(['wait', '--for=condition=Ready', 'devicefleets', ...all])
  assert.equal(ready.trim().split('\n').length, 4)
  await pods.node.kubectl(['wait', '--for=condition=Ready', 'alertrules', ...all])
})

test('the operators refuse a bad rule, asked through their Service', { skip }, async () => {
  const rule = { namespace: 'coldchain', name: 'bad' }
  const words = /The AlertRule "bad" is invalid: spec\.when: .*temprature.*did you mean temperature/
  const bad = ruleYaml({ rule, when: 'last(temprature) > 8.0' })
  // What is taken while nobody is asked yet may not stay: applied again it would be unchanged, and nobody asked.
  const isRefused = () => assert.rejects(apply(bad, '--dry-run=server'), words).then(() => true)
  await until(isRefused, { what: 'a refusal', deadlineMs: 30_000, everyMs: 500 })
  await assert.rejects(apply(bad), words)
})

test('a device outside of the cluster publishes through a node port, and its reading is a row', { skip }, async () => {
  await using ballard = await connectStation('ballard')
  await ballard.publish({ pressure: 1016.6, temperature: 4, wind: 3.8 })
  const rows = () => pods.sql("select pressure, temperature, wind from weather_stations where device = 'ballard'")
  await until(async () => (await rows()).length > 0, { what: 'the row' })
  assert.deepEqual(await rows(), [{ pressure: 1016.6, temperature: 4, wind: 3.8 }])
})

type Turn = { readonly from: string; readonly to: string; readonly device: string; readonly value: number }

/** What the database has of a rule's alerts, once there is as much as is wanted. */
const assertHistory = async (rule: string, wanted: readonly Turn[]): Promise<void> => {
  const history = () =>
    pods.sql<Turn>(`select "from", "to", device, value from alerts where rule = '${rule}' order by ts`)
  const isLong = async () => (await history()).length >= wanted.length
  await until(isLong, { what: `the history of ${rule}`, deadlineMs: 30_000 }).catch(() => undefined)
  assert.deepEqual(await history(), wanted)
}

/** The devices for which Alertmanager has alerts of a rule, and where each leads. */
const heardOf = async (rule: string) =>
  (await pods.alertmanager.firing())
    .filter(({ labels }) => labels.alertname === rule)
    .map(({ labels: { device }, generatorURL }) => ({ device, generatorURL }))

test('a rule fires, once, and resolves after the alerter was replaced pod by pod', { skip }, async () => {
  const rule = { namespace: STATIONS.namespace, name: 'gale' }
  const spec = { clearWhen: 'last(wind) < 17.0', notify: [{ alertmanager: {} }] }
  await apply(ruleYaml({ rule, fleet: STATIONS.name, when: 'last(wind) > 24.0', spec }))
  await untilReady(rule, 30, 'alertrule')
  await using shilshole = await connectStation('shilshole')
  for (const wind of [9, 25.5, 20]) await shilshole.publish({ wind })
  const fired = { from: 'inactive', to: 'firing', device: 'shilshole', value: 25.5 }
  await assertHistory(rule.name, [fired])
  await until(async () => (await heardOf(rule.name)).length > 0, { what: 'Alertmanager to hear of it' })
  const generatorURL = 'https://grafana.example.com/d/alerts?var-rule=gale&var-device=shilshole'
  assert.deepEqual(await heardOf(rule.name), [{ device: 'shilshole', generatorURL }])
  await pods.ours('rollout', 'restart', 'statefulset/fleetloom-alerter')
  await pods.ours('rollout', 'status', 'statefulset/fleetloom-alerter', '--timeout=120s')
  for (const wind of [19, 12]) await shilshole.publish({ wind })
  await assertHistory(rule.name, [fired, { from: 'firing', to: 'resolved', device: 'shilshole', value: 12 }])
  await until(async () => (await heardOf(rule.name)).length === 0, {
    what: 'Alertmanager to hear that it is over',
    deadlineMs: ROUND_MS + 30_000,
  })
})

test("the leader's pod is deleted: another takes over within 30 s, and no reading is missing", { skip }, async () => {
  await pods.node.kubectl(['create', 'namespace', OBJECTS.fleet.namespace])
  await apply(OBJECTS.manifest)
  await untilReady(OBJECTS.fleet, 30)
  await keepsReadings(async () => {
    const first = await leader()
    await pods.ours('delete', 'pod', first, '--wait=false')
    const another = async () => !['', first].includes(await leader())
    await until(another, { what: 'another leader', deadlineMs: 30_000, everyMs: 200 })
    const meanwhile = { namespace: OBJECTS.fleet.namespace, name: 'meanwhile' }
    await apply(fleetYaml(meanwhile))
    await untilReady(meanwhile, 30)
  })
})

test('ingest and writer are replaced pod by pod, and no reading is missing', { skip }, async () => {
  const sets = ['ingest', 'writer'].map((name) => `statefulset/fleetloom-${name}`)
  await keepsReadings(async () => {
    await pods.ours('rollout', 'restart', ...sets)
    for (const set of sets) await pods.ours('rollout', 'status', set, '--timeout=120s')
  })
})

test('a device gets a certificate that a pod has signed', { skip }, async () => {
  const fleet = { namespace: OBJECTS.fleet.namespace, name: 'certified' }
  await apply(fleetYaml(fleet, { authentication: { mode: 'Certificate' } }))
  await untilReady(fleet, 30)
  const { username } = await pods.register(fleet, 'd-1')
  const { csr } = await deviceRequest(`CN=${username}`)
  const path = `${devicesPath(fleet)}/d-1/certificate`
  const { chain } = await pods.call<{ chain: string }>('POST', path, { csr })
  const certificate = new X509Certificate(chain)
  assert.equal(certificate.subject, `CN=${username}`)
  assert.ok(certificate.verify(new X509Certificate(pods.deviceCa).publicKey))
})

/** Asks over a new connection. Gives the status, or why there is none. */
const ask = (url: string): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const onResponse = (response: IncomingMessage) => resolve(String(response.resume().statusCode))
  get(url, { agent: false, timeout: 5_000 }, onResponse).on('error', ({ message }) => resolve(message))
  return promise
}

test('the api is replaced pod by pod, and no request fails', { skip }, async () => {
  const answers = new Map<string, number>()
  let isOver = false
  const asking = (async () => {
    while (!isOver) {
      const answer = await ask(`${pods.apiUrl}/v1/device-ca/crl`)
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
      await sleep(ASK_EVERY_MS)
    }
  })()
  try {
    await pods.ours('rollout', 'restart', 'statefulset/fleetloom-api')
    await pods.ours('rollout', 'status', 'statefulset/fleetloom-api', '--timeout=120s')
  } finally {
    isOver = true
    await asking
  }
  assert.deepEqual([...answers.keys()], ['200'], JSON.stringify([...answers]))
})
