/** Our chart and the servers' on a node that runs pods, and what the journeys ask of them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildImages } from '../cluster/images.ts'
import { CommandFailed, RELEASE } from '../cluster/kubernetes.ts'
import { type Node, startNode } from '../cluster/node.ts'
import { newServersRelease, SERVERS_CHART, type ServersRelease } from '../cluster/servers.ts'
import { type AlertmanagerServer, startAlertmanager } from '../kit/alertmanager.ts'
import { type ApiClient, createApiClient } from '../kit/api-client.ts'
import { type Sql, sqlOver } from '../kit/sql.ts'
import { tempDir } from '../kit/temp.ts'
import { ROOT } from '../tools/paths.ts'

export type Pods = AsyncDisposable &
  ApiClient & {
    readonly node: Node
    /** Where devices outside of the cluster reach the broker: a port of the node. */
    readonly mqtt: { readonly host: string; readonly port: number }
    readonly sql: Sql
    /** Beside the node. */
    readonly alertmanager: AlertmanagerServer
    /** URL of the api's Service. */
    readonly apiUrl: string
    /** Certificate (PEM) of the CA that signs devices' certificates. */
    readonly deviceCa: string
    /** kubectl in the namespace of the release. */
    ours(...args: readonly string[]): Promise<string>
  }

/** What is granted to the namespaces of the examples. */
const SHARED_PREFIXES = [{ prefix: 'sensors/', namespace: 'climate' }]
/** Address of an alert for people. */
const ALERT_URL = 'https://grafana.example.com/d/alerts?var-rule={rule}&var-device={device}'
const RESTRICTED = 'pod-security.kubernetes.io/enforce=restricted'
const WAIT = ['--wait', '--timeout', '120s']

type Kubectl = Pods['ours']

type Releases = Pick<ServersRelease, 'servers' | 'fleetloom'>

const install = async (node: Node, ours: Kubectl, { servers, fleetloom }: Releases): Promise<void> => {
  const { namespace, name } = RELEASE
  await node.kubectl(['create', 'namespace', namespace])
  await node.kubectl(['label', 'namespace', namespace, RESTRICTED])
  const helm = (release: string, chart: string, values: object) =>
    node.helm(['install', release, chart, '--namespace', namespace, '--values', '-', ...WAIT], JSON.stringify(values))
  try {
    await helm('servers', SERVERS_CHART, servers)
    await helm(name, join(ROOT, 'charts', 'fleetloom'), fleetloom)
  } catch (error) {
    const pods = await ours('get', 'pods')
    const events = await ours('get', 'events', '--sort-by=.lastTimestamp')
    throw new CommandFailed(`${error instanceof Error ? error.message : error}\n${pods}\n${events}`)
  }
}

/** Starts a node and installs both charts, in a namespace that takes no pod that is not restricted. */
export const startPods = async (): Promise<Pods> => {
  await using stack = new AsyncDisposableStack()
  const images = [await buildImages()]
  const startMs = performance.now()
  const say = (what: string): void => {
    process.stdout.write(`${what} after ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`)
  }
  const node = stack.use(await startNode({ images }))
  say('the node is Ready')
  const ours: Kubectl = (...args) => node.kubectl(['--namespace', RELEASE.namespace, ...args])
  const release = await newServersRelease()
  const alertmanager = stack.use(await startAlertmanager({ host: node.addresses.machine }))
  const alerter = { alertmanagerUrls: [alertmanager.url], alertUrl: ALERT_URL }
  const fleetloom = { ...release.fleetloom, sharedPrefixes: SHARED_PREFIXES, alerter }
  await install(node, ours, { servers: release.servers, fleetloom })
  say('both charts are installed')
  const field = (service: string, path: string) =>
    ours('get', 'service', service, '--output', `jsonpath={.spec.${path}}`)
  const adminKeyFile = join(stack.use(tempDir('admin-key')).path, 'key')
  writeFileSync(adminKeyFile, release.adminKey, { mode: 0o600 })
  const { user, password } = release.questdb
  const authorization = `Basic ${btoa(`${user}:${password}`)}`
  const apiUrl = `http://${await field(`${RELEASE.name}-api`, 'clusterIP')}:8080`
  const parts = {
    node,
    ours,
    alertmanager,
    mqtt: { host: node.addresses.node, port: Number(await field('mosquitto', 'ports[0].nodePort')) },
    sql: sqlOver({ url: `http://${await field('questdb', 'clusterIP')}:9000`, authorization }),
    apiUrl,
    deviceCa: release.deviceCa,
    ...createApiClient(apiUrl, adminKeyFile),
  }
  const started = stack.move()
  return { ...parts, [Symbol.asyncDispose]: () => started.disposeAsync() }
}
