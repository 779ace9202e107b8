/** A cluster as tests use it: a control plane with our CRDs and what the chart gives the operator, and kubectl to talk to it. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Ref } from '@fleetloom/crds/names'
import { KubeApi } from '@fleetloom/operator/source/kube/kube-api'
import { fromKubeconfig } from '@fleetloom/operator/source/kube/kube-config'
import { objectPath } from '@fleetloom/operator/source/kube/objects'
import { ROOT } from '../tools/paths.ts'
import { kubernetesVersion } from './build.ts'
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './control-plane.ts'

export type Kubernetes = AsyncDisposable & {
  readonly controlPlane: ControlPlane
  /** Kubeconfig of the operator's service account. */
  readonly operatorKubeconfig: string
  /** Runs kubectl as an administrator and returns what it printed. @throws CommandFailed with what it complained about. */
  kubectl(args: readonly string[], input?: string): Promise<string>
  /** `kubectl apply` of some YAML. */
  apply(yaml: string): Promise<string>
  /** The API server, as an administrator. */
  readonly api: KubeApi
  /** A fleet as the API server has it. */
  fleet(ref: Ref): Promise<KubeFleet>
  /** A rule as the API server has it. */
  rule(ref: Ref): Promise<KubeRule>
}

/** A DeviceFleet as tests look at it. */
export type KubeFleet = {
  readonly metadata: Ref & {
    readonly uid: string
    readonly generation: number
    readonly resourceVersion: string
    readonly finalizers?: readonly string[]
  }
  readonly spec: Readonly<Record<string, unknown>>
  readonly status?: {
    readonly observedGeneration: number
    readonly conditions: readonly { type: string; status: string; reason: string; message: string }[]
    readonly devices?: { readonly registered: number; readonly online: number }
  }
}

/** An AlertRule as tests look at it. */
export type KubeRule = Pick<KubeFleet, 'metadata' | 'spec'> & {
  readonly status?: NonNullable<KubeFleet['status']> & {
    readonly firing?: number
    readonly pending?: number
    readonly lastEvaluated?: string
  }
}

export class CommandFailed extends Error {
  override name = 'CommandFailed'
}

/** Runs a program with this input; returns its stdout. @throws CommandFailed with its stderr. */
export const command = (file: string, args: readonly string[], input = ''): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.on('error', reject)
  child.on('close', (code) => {
    if (code === 0) return resolve(Buffer.concat(out).toString())
    reject(new CommandFailed(Buffer.concat(err).toString().trim()))
  })
  child.stdin.on('error', () => undefined).end(input)
  return promise
}

/** Namespace and name of the release that tests install. */
export const RELEASE = { namespace: 'fleetloom', name: 'fleetloom' } as const

const CHART = join(ROOT, 'charts', 'fleetloom')

/** The chart's manifests with these values, or one of its templates. */
export const chartYaml = (
  { binaries }: Pick<ControlPlane, 'binaries'>,
  { templates = [], values = {} }: { readonly templates?: readonly string[]; readonly values?: object } = {},
): Promise<string> => {
  const only = templates.flatMap((name) => ['--show-only', `templates/${name}`])
  const release = ['--namespace', RELEASE.namespace, '--kube-version', kubernetesVersion()]
  return command(
    binaries.helm,
    ['template', RELEASE.name, CHART, ...release, '--values', '-', ...only],
    JSON.stringify(values),
  )
}

/** A kubeconfig that logs in as a service account of the release. */
const kubeconfigFor = async (kubernetes: Pick<Kubernetes, 'kubectl' | 'controlPlane'>, account: string) => {
  const { controlPlane, kubectl } = kubernetes
  const token = await kubectl(['create', 'token', account, '--namespace', RELEASE.namespace, '--duration', '24h'])
  const file = join(dirname(controlPlane.kubeconfig), `${account}.kubeconfig`)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'cluster',
    clusters: [{ name: 'cluster', cluster: { server: controlPlane.server, 'certificate-authority': 'ca.crt' } }],
    contexts: [{ name: 'cluster', context: { cluster: 'cluster', user: account } }],
    users: [{ name: account, user: { token: token.trim() } }],
  }
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  return file
}

export type KubernetesOptions = ControlPlaneOptions & {
  /** Values of the chart. */
  readonly values?: object
}

/** Starts a control plane and prepares it as `helm install` would, but for the workloads. */
export const startKubernetes = async (options: KubernetesOptions = {}): Promise<Kubernetes> => {
  await using stack = new AsyncDisposableStack()
  const controlPlane = stack.use(await startControlPlane(options))
  const { binaries, kubeconfig } = controlPlane
  const kubectl: Kubernetes['kubectl'] = (args, input) =>
    command(binaries.kubectl, ['--kubeconfig', kubeconfig, ...args], input)
  const apply = (yaml: string) => kubectl(['apply', '-f', '-'], yaml)
  await kubectl(['apply', '-f', join(ROOT, 'crds', 'yaml')])
  await kubectl(['create', 'namespace', RELEASE.namespace])
  const { values = {} } = options
  await apply(await chartYaml(controlPlane, { templates: ['operator-rbac.yaml', 'admission.yaml'], values }))
  await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  const api = stack.use(new KubeApi(await fromKubeconfig(kubeconfig)))
  const operatorKubeconfig = await kubeconfigFor({ controlPlane, kubectl }, `${RELEASE.name}-operator`)
  const started = stack.move()
  return {
    controlPlane,
    operatorKubeconfig,
    kubectl,
    apply,
    api,
    fleet: (ref) => api.request<KubeFleet>({ method: 'GET', path: objectPath('DeviceFleet', ref) }),
    rule: (ref) => api.request<KubeRule>({ method: 'GET', path: objectPath('AlertRule', ref) }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** Tells an operator that the kit starts to work on this cluster. */
export const operatorOn = (kubeconfig: string): Readonly<Record<string, string>> => ({
  MANIFESTS: '',
  KUBECONFIG: kubeconfig,
  LEASE_NAMESPACE: RELEASE.namespace,
})

/** The same login, over another port of this machine. */
export const kubeconfigThrough = (kubeconfig: string, port: number): string => {
  const file = kubeconfig.replace(/(\.kubeconfig)?$/, `-${port}.kubeconfig`)
  const text = readFileSync(kubeconfig, 'utf8').replace(
    /"server":"https:\/\/[^"]+"/,
    `"server":"https://127.0.0.1:${port}"`,
  )
  writeFileSync(file, text, { mode: 0o600 })
  return file
}
