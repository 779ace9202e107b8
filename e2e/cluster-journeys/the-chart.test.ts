/** The chart as helm renders it: what it takes as values, and that each service understands what it is told. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { apiConfig } from '@fleetloom/api/config'
import { config as ingestConfig } from '@fleetloom/ingest/config'
import { config as operatorConfig } from '@fleetloom/operator/config'
import { envName, readConfig } from '@fleetloom/shared/process/config'
import { writerConfig } from '@fleetloom/writer/config'
import { parse, parseAllDocuments } from 'yaml'
import { type Binaries, buildCluster } from '../cluster/build.ts'
import { chartYaml, command } from '../cluster/kubernetes.ts'
import { USER } from '../cluster/oci.ts'
import { byName } from '../kit/secret-file.ts'
import { nodeEnv, SERVICES, type Service } from '../kit/services.ts'
import { ROOT } from '../tools/paths.ts'

const CHART = join(ROOT, 'charts', 'fleetloom')
const CONFIGS: Readonly<Record<Service, Parameters<typeof readConfig>[0]>> = {
  operator: operatorConfig,
  api: apiConfig,
  writer: writerConfig,
  ingest: ingestConfig,
}

type Json = { readonly [key: string]: Json | undefined } | readonly Json[] | string | number | boolean | null
type Variable = { readonly name: string; readonly value?: string }
type Item = { readonly secret: { readonly name: string; readonly items: readonly { key: string; path: string }[] } }
type Container = { readonly env: readonly Variable[]; readonly securityContext: object }
type Pod = {
  readonly automountServiceAccountToken: boolean
  readonly securityContext: object
  readonly containers: readonly [Container]
  readonly volumes: readonly [{ readonly projected: { readonly sources: readonly Item[] } }]
}
type Workload = {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: { readonly template: { readonly spec: Pod } }
}

const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Json
const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Json

let binaries: Binaries
before(async () => {
  binaries = await buildCluster()
})

const render = (overrides: object = {}): Promise<string> => chartYaml({ binaries }, { values: overrides })

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json | undefined } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Every object in it, itself included. */
const objectsIn = (value: Json | undefined): { readonly [key: string]: Json | undefined }[] => {
  if (Array.isArray(value)) return value.flatMap(objectsIn)
  return isObject(value) ? [value, ...Object.values(value).flatMap(objectsIn)] : []
}

/** The paths and values of all that is not an object. */
const leavesOf = (value: Json | undefined, path: readonly string[] = []): (readonly [string[], Json])[] =>
  isObject(value)
    ? Object.entries(value).flatMap(([key, one]) => leavesOf(one, [...path, key]))
    : [[[...path], value ?? null]]

const OTHER: Readonly<Record<string, Json>> = {
  sharedPrefixes: [{ prefix: 'sensors/', namespace: 'climate' }],
  'image.pullPolicy': 'Always',
  logLevel: 'debug',
  'api.service.type': 'NodePort',
}

const changed = (path: readonly string[], value: Json): Json =>
  OTHER[path.join('.')] ?? (typeof value === 'number' ? value + 1 : `${value}x`)

const nested = (path: readonly string[], value: Json): object => {
  const [key = '', ...rest] = path
  return { [key]: rest.length === 0 ? value : nested(rest, value) }
}

/** What a variable that Kubernetes fills in may be. */
const FILLED_IN = 'fleetloom-0'

const envOf = ({ containers: [{ env }] }: Pod): Record<string, string> =>
  Object.fromEntries(env.map(({ name, value = FILLED_IN }) => [name, value]))

/** The pod of each service. */
const podsOf = async (): Promise<Readonly<Record<Service, Pod>>> => {
  const objects = parseAllDocuments(await render()).map((document) => document.toJS() as Workload | null)
  const workloads = objects.filter((one) => one !== null && ['Deployment', 'StatefulSet'].includes(one.kind))
  return byName(SERVICES, (service) => {
    const found = workloads.find((one) => one?.metadata.name === `fleetloom-${service}`)
    assert.ok(found, service)
    return found.spec.template.spec
  })
}

test('helm finds no fault', async () => {
  const said = await command(binaries.helm, ['lint', '--strict', CHART])
  assert.match(said, /1 chart\(s\) linted, 0 chart\(s\) failed/)
})

test('an unknown value is refused by name, at every level', async () => {
  const open = objectsIn(schema).filter((one) => one.type === 'object' && one.additionalProperties !== false)
  assert.deepEqual(open, [])
  await assert.rejects(render({ ingest: { replica: 3 } }), /ingest.*additional properties 'replica' not allowed/s)
})

test('every value has an effect', async () => {
  const preset = await render()
  for (const [path, value] of leavesOf(values))
    assert.notEqual(await render(nested(path, changed(path, value))), preset, path.join('.'))
})

test('a password in a URL and the tag latest are refused', async () => {
  await assert.rejects(render({ nats: { url: 'nats://me:secret@nats:4222' } }), /nats\/url/)
  await assert.rejects(render({ image: { tag: 'latest' } }), /image\/tag/)
})

test('each service knows all that it is told, and needs no more', async () => {
  const notOurs = new Set([...Object.keys(nodeEnv), 'POD_INDEX'])
  const pods = await podsOf()
  for (const service of SERVICES) {
    const env = envOf(pods[service])
    const known = new Set(Object.keys(CONFIGS[service].shape).map(envName))
    const unknown = Object.keys(env).filter((name) => !known.has(name) && !notOurs.has(name))
    assert.deepEqual(unknown, [], service)
    assert.doesNotThrow(() => readConfig(CONFIGS[service], env), service)
  }
})

test('each pod has the keys that its service reads, and no other', async () => {
  const platformKey = 'fleetloom-platform-key/platform-key'
  const wanted: Readonly<Record<Service, readonly string[]>> = {
    operator: ['fleetloom-nats/operator', 'fleetloom-mqtt/operator', 'fleetloom-questdb/password', platformKey],
    api: ['fleetloom-nats/api', 'fleetloom-mqtt/api', 'fleetloom-admin-key/admin-key'],
    writer: ['fleetloom-nats/writer', 'fleetloom-questdb/password'],
    ingest: ['fleetloom-nats/ingest', platformKey],
  }
  const pods = await podsOf()
  for (const service of SERVICES) {
    const secrets = pods[service].volumes[0].projected.sources.map(({ secret }) => secret)
    const keys = secrets.flatMap(({ name, items }) => items.map(({ key }) => `${name}/${key}`))
    assert.deepEqual(keys, wanted[service], service)
    const files = secrets.flatMap(({ items }) => items.map(({ path }) => `/secrets/${path}`))
    const read = Object.entries(envOf(pods[service])).flatMap(([name, value]) =>
      name.endsWith('_FILE') ? [value] : [],
    )
    assert.deepEqual(read.sort(), files.sort(), service)
  }
})

test('every container is restricted, on a root file system that it can not write; only the operator has a token', async () => {
  const pods = await podsOf()
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

test('Node is set up as where it is measured', async () => {
  const { NODE_COMPILE_CACHE: _, ...measured } = nodeEnv
  const pods = await podsOf()
  for (const service of SERVICES) {
    const env = envOf(pods[service])
    assert.deepEqual(Object.fromEntries(Object.keys(measured).map((name) => [name, env[name]])), measured)
  }
})
