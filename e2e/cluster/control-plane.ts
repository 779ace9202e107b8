/** etcd, kube-apiserver and kube-controller-manager: a Kubernetes with no nodes yet, on loopback unless told, ready in some ten seconds. */
import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Child, startChild } from '../kit/child.ts'
import { type Place, placeOf } from '../kit/place.ts'
import { freePort } from '../kit/ports.ts'
import { tempLog } from '../kit/temp.ts'
import { run } from '../tools/run.ts'
import { type Binaries, buildCluster } from './build.ts'
import { type Certificates, type Names, writeCertificates } from './certificates.ts'

export type ControlPlane = AsyncDisposable & {
  readonly binaries: Binaries
  /** `https://HOST:PORT` of the API server. */
  readonly server: string
  readonly certificates: Certificates
  /** Kubeconfig of an administrator. */
  readonly kubeconfig: string
  readonly etcd: Child
  readonly apiserver: Child
  readonly controllers: Child
  /** Client address of etcd. */
  readonly etcdUrl: string
}

export type ControlPlaneOptions = Place & {
  readonly port?: number
  /** Further flags of the API server. */
  readonly apiserverFlags?: readonly string[]
  readonly network?: Network
}

export type Network = {
  /** Address that the API server listens on. */
  readonly machine: string
  /** Address that pods are told; default `machine`. */
  readonly advertised?: string
  /** Range of the Services' addresses, and its first, which the API server has as a Service. */
  readonly services: string
  readonly api: string
  /** Address of the node, when there is one. */
  readonly node?: string
}

const HOST = '127.0.0.1'
/** What is advertised is of the documentation range: an endpoint may not be loopback, and nobody uses this one. */
const LOOPBACK: Network = { machine: HOST, advertised: '192.0.2.1', services: '10.96.0.0/16', api: '10.96.0.1' }
const START_MS = 120_000

type Parts = {
  readonly binaries: Binaries
  readonly directory: string
  readonly logOf: (name: string) => string
  readonly onDeath: (name: string) => (how: string) => void
  readonly certificates: Certificates
  readonly ports: { readonly api: number; readonly etcd: number; readonly etcdPeer: number }
  readonly apiserverFlags: readonly string[]
  readonly network: Network
}

const flagsOf = (flags: Readonly<Record<string, string | number | boolean>>): string[] =>
  Object.entries(flags).map(([name, value]) => `--${name}=${value}`)

const component = (
  { binaries, directory, logOf, onDeath }: Parts,
  name: string,
  args: readonly string[],
  ready: () => Promise<unknown>,
): Promise<Child> =>
  startChild({
    name,
    command: binaries.kube,
    args: [name, ...args],
    cwd: directory,
    logFile: logOf(name),
    ready,
    readyMs: START_MS,
    // An API server whose etcd is gone takes minutes to end on SIGTERM, and keeps its port for as long.
    stopSignal: 'SIGKILL',
    onDeath: onDeath(name),
  })

const startEtcd = (parts: Parts): Promise<Child> => {
  const { directory, ports } = parts
  const url = `http://${HOST}:${ports.etcd}`
  const peer = `http://${HOST}:${ports.etcdPeer}`
  const flags = flagsOf({
    'data-dir': join(directory, 'etcd'),
    'unsafe-no-fsync': true,
    'log-level': 'warn',
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
  })
  return component(parts, 'etcd', flags, async () => (await fetch(`${url}/readyz`)).ok)
}

const isThere = async ({ binaries, certificates }: Parts, path: string): Promise<boolean> => {
  const { code } = await run(binaries.kubectl, ['--kubeconfig', certificates.kubeconfig('admin'), 'get', '--raw', path])
  return code === 0
}

const startApiserver = (parts: Parts): Promise<Child> => {
  const { certificates, ports, apiserverFlags, network } = parts
  const file = certificates.file
  const flags = flagsOf({
    'etcd-servers': `http://${HOST}:${ports.etcd}`,
    'bind-address': network.machine,
    'advertise-address': network.advertised ?? network.machine,
    'secure-port': ports.api,
    'tls-cert-file': file('apiserver.crt'),
    'tls-private-key-file': file('apiserver.key'),
    'client-ca-file': file('ca.crt'),
    'authorization-mode': 'Node,RBAC',
    'service-cluster-ip-range': network.services,
    'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
    'service-account-key-file': file('service-accounts.key'),
    'service-account-signing-key-file': file('service-accounts.key'),
    'enable-admission-plugins': 'NodeRestriction',
    'kubelet-client-certificate': file('admin.crt'),
    'kubelet-client-key': file('admin.key'),
    'kubelet-certificate-authority': file('ca.crt'),
    'kubelet-preferred-address-types': 'InternalIP',
    'requestheader-client-ca-file': file('front-proxy-ca.crt'),
    'requestheader-allowed-names': 'front-proxy-client',
    'requestheader-username-headers': 'X-Remote-User',
    'requestheader-group-headers': 'X-Remote-Group',
    'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
    'proxy-client-cert-file': file('front-proxy-client.crt'),
    'proxy-client-key-file': file('front-proxy-client.key'),
    profiling: false,
  })
  return component(parts, 'kube-apiserver', [...flags, ...apiserverFlags], () => isThere(parts, '/readyz'))
}

const startControllers = (parts: Parts): Promise<Child> => {
  const { file, kubeconfig } = parts.certificates
  const flags = flagsOf({
    kubeconfig: kubeconfig('controller-manager'),
    'leader-elect': false,
    'use-service-account-credentials': true,
    'bind-address': HOST,
    'secure-port': 0,
    'root-ca-file': file('ca.crt'),
    'service-account-private-key-file': file('service-accounts.key'),
    'cluster-signing-cert-file': file('ca.crt'),
    'cluster-signing-key-file': file('ca.key'),
  })
  // A namespace's default service account is the controllers' work.
  const account = '/api/v1/namespaces/default/serviceaccounts/default'
  return component(parts, 'kube-controller-manager', flags, () => isThere(parts, account))
}

const portsOf = async (api?: number): Promise<Parts['ports']> => ({
  api: api ?? (await freePort()),
  etcd: await freePort(),
  etcdPeer: await freePort(),
})

/** What the API server and the node's kubelet are called. */
const namesOf = ({ machine, api, node }: Network): Names => ({
  dns: ['localhost', 'kubernetes', 'kubernetes.default.svc'],
  ips: [...new Set([HOST, machine, api, ...(node === undefined ? [] : [node])])],
})

/** Starts a control plane; the first one ever is built first, which takes minutes. */
export const startControlPlane = async (options: ControlPlaneOptions = {}): Promise<ControlPlane> => {
  const binaries = await buildCluster()
  const place = placeOf('control-plane', options)
  const { directory } = place
  const ports = await portsOf(options.port)
  const { apiserverFlags = [], network = LOOPBACK } = options
  const server = `https://${network.machine}:${ports.api}`
  const certificates = await writeCertificates(join(directory, 'certificates'), server, namesOf(network))
  const logs = join(directory, 'logs')
  if (options.directory !== undefined) mkdirSync(logs, { recursive: true })
  const logOf = (name: string) => (options.directory === undefined ? tempLog(name) : join(logs, `${name}.log`))
  const onDeath = (name: string) => (how: string) => options.onDeath?.(`${name} ${how}`)
  const parts = { binaries, directory, logOf, onDeath, certificates, ports, apiserverFlags, network }
  await using stack = new AsyncDisposableStack()
  stack.defer(() => place.child.folder?.[Symbol.asyncDispose]() ?? rm(directory, { recursive: true, force: true }))
  const etcd = stack.use(await startEtcd(parts))
  const apiserver = stack.use(await startApiserver(parts))
  const controllers = stack.use(await startControllers(parts))
  const started = stack.move()
  return {
    binaries,
    server,
    certificates,
    kubeconfig: certificates.kubeconfig('admin'),
    etcd,
    apiserver,
    controllers,
    etcdUrl: `http://${HOST}:${ports.etcd}`,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
