/** The chart as helm renders it for each broker, and its workloads as tests look at them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { type Binaries, buildCluster } from '../cluster/build.ts'
import { chartYaml } from '../cluster/kubernetes.ts'
import { byName } from '../kit/secret-file.ts'
import { SERVICES, type Service } from '../kit/services.ts'
import { ROOT } from '../tools/paths.ts'

export const CHART = join(ROOT, 'charts', 'fleetloom')

export type Json = { readonly [key: string]: Json | undefined } | readonly Json[] | string | number | boolean | null
type Variable = { readonly name: string; readonly value?: string }
type Item = { readonly secret: { readonly name: string; readonly items: readonly { key: string; path: string }[] } }
type Container = {
  readonly env: readonly Variable[]
  readonly securityContext: object
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } }
}
export type Pod = {
  readonly serviceAccountName: string
  readonly automountServiceAccountToken: boolean
  readonly terminationGracePeriodSeconds: number
  readonly securityContext: object
  readonly containers: readonly [Container]
  readonly volumes: readonly [{ readonly projected: { readonly sources: readonly Item[] } }]
}
export type Manifest = {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
}
type Workload = Manifest & { readonly spec: { readonly template: { readonly metadata: object; readonly spec: Pod } } }

export const presets = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Json
export const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Json

const EMQX = { mqttUrl: 'mqtt://emqx:1883', apiUrl: 'http://emqx:18083', existingSecret: 'fleetloom-emqx' }
const CRL_URL = 'http://fleetloom-api.fleetloom:8080/v1/device-ca/crl'

const ALERTS = {
  platformKey: { previousSecret: 'fleetloom-platform-key-previous' },
  alerter: {
    alertmanagerUrls: ['http://alertmanager-0:9093', 'https://alerts.example.com/alertmanager'],
    alertUrl: 'https://grafana.example.com/d/alerts?var-device={device}&columns=from,to',
    webhookAllowedNetworks: ['10.20.0.0/16', 'fd00::/8'],
  },
}

/** Values of an installation on each broker, with all that it may have. */
export const INSTALLATIONS = {
  mosquitto: { ...ALERTS, deviceCa: { existingSecret: 'fleetloom-device-ca' } },
  emqx: {
    ...ALERTS,
    broker: { kind: 'emqx', emqx: EMQX },
    deviceCa: { existingSecret: 'fleetloom-device-ca', crlUrl: CRL_URL },
  },
} as const
export type Installation = keyof typeof INSTALLATIONS
export const BROKERS = Object.keys(INSTALLATIONS) as Installation[]

let built: Promise<Binaries> | undefined
export const binaries = (): Promise<Binaries> => {
  built ??= buildCluster()
  return built
}

export const render = async (values: object = {}): Promise<string> =>
  chartYaml({ binaries: await binaries() }, { values })

export const manifestsOf = (yaml: string): Manifest[] =>
  parseAllDocuments(yaml)
    .map((document) => document.toJS() as Manifest | null)
    .filter((one) => one !== null)

/** The workload of each service. */
export const workloadsOf = async (values: object): Promise<Readonly<Record<Service, Workload>>> => {
  const workloads = manifestsOf(await render(values)).filter(({ kind }) => ['Deployment', 'StatefulSet'].includes(kind))
  return byName(SERVICES, (service) => {
    const found = workloads.find(({ metadata }) => metadata.name === `fleetloom-${service}`)
    if (found === undefined) throw new Error(`the chart has no workload fleetloom-${service}`)
    return found as Workload
  })
}

/** The pod of each service. */
export const podsOf = async (values: object): Promise<Readonly<Record<Service, Pod>>> => {
  const workloads = await workloadsOf(values)
  return byName(SERVICES, (service) => workloads[service].spec.template.spec)
}

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json | undefined } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Every object in it, itself included. */
export const objectsIn = (value: Json | undefined): { readonly [key: string]: Json | undefined }[] => {
  if (Array.isArray(value)) return value.flatMap(objectsIn)
  return isObject(value) ? [value, ...Object.values(value).flatMap(objectsIn)] : []
}

/** The paths and values of all that is not an object. */
export const leavesOf = (value: Json | undefined, path: readonly string[] = []): (readonly [string[], Json])[] =>
  isObject(value)
    ? Object.entries(value).flatMap(([key, one]) => leavesOf(one, [...path, key]))
    : [[[...path], value ?? null]]

/** `values` with another value at this path. */
export const changedAt = (values: Json | undefined, path: readonly string[], value: Json): Json => {
  const [key, ...rest] = path
  if (key === undefined) return value
  const fields = isObject(values) ? values : {}
  return { ...fields, [key]: changedAt(fields[key], rest, value) }
}
