/**
 * A node that runs pods, in mount, network, process and host name namespaces of its own: containerd, kubelet, kube-proxy and
 * CoreDNS in them; the control plane, the scheduler and a provisioner of volumes beside them. Needs root.
 *
 * 1. The namespaces are made: whatever runs in them ends with their first process, and that ends with this process.
 * 2. A link joins the node's network to this machine's, which gives the cluster its addresses.
 * 3. The control plane starts, and containerd, which takes the images meanwhile.
 * 4. The rest starts, and the node becomes Ready.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { placeOf } from '../kit/place.ts'
import { tempLogFolder } from '../kit/temp.ts'
import { run } from '../tools/run.ts'
import { buildCluster, canBuild } from './build.ts'
import { makeCgroup } from './cgroups.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { command } from './kubernetes.ts'
import { startNamespaces } from './namespaces.ts'
import { type Addresses, joinNetwork } from './network.ts'
import { NODE_NAME, nodeFiles, runtimeFiles } from './node-files.ts'
import { installMissing, runcPath, startContainerd, startRest } from './node-programs.ts'

export type Node = AsyncDisposable & {
  readonly controlPlane: ControlPlane
  /** Pods, Services and node ports have addresses that are reached from this machine. */
  readonly addresses: Addresses
  /** Runs kubectl as an administrator and returns what it printed. @throws CommandFailed with what it complained about. */
  kubectl(args: readonly string[], input?: string): Promise<string>
  /** Runs helm as an administrator and returns what it printed. @throws CommandFailed with what it complained about. */
  helm(args: readonly string[], input?: string): Promise<string>
}

export type NodeOptions = {
  /** OCI archives of the images that pods use, the sandbox's among them. */
  readonly images: readonly string[]
}

/** Installs what a node is made of where it is missing. Tells why no node can be started here, if so, and what to do. */
export const prepareNode = async (): Promise<string | undefined> => {
  if (process.getuid?.() !== 0) return 'a node needs root: it makes namespaces, mounts and control groups'
  const missing = await installMissing()
  if (missing.length > 0) return `not installed: apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if ((await run('unshare', ['--mount', '--net', '--pid', '--uts', '--fork', 'true'])).code !== 0)
    return 'namespaces can not be made here'
  return (await canBuild()) ? undefined : 'Kubernetes can not be built here: install Go 1.26 or later'
}

const STORAGE_CLASS = JSON.stringify({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: 'fleetloom.io/local-volumes',
  volumeBindingMode: 'WaitForFirstConsumer',
})

const write = (directory: string, files: Readonly<Record<string, string>>): void => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
}

/** Starts a cluster of one node; the first one ever is built first, which takes minutes. @throws where `prepareNode` says why not. */
export const startNode = async ({ images }: NodeOptions): Promise<Node> => {
  const binaries = await buildCluster()
  await using stack = new AsyncDisposableStack()
  const { directory, child } = placeOf('node', {})
  stack.defer(() => child.folder?.[Symbol.asyncDispose]())
  for (const folder of ['kubelet', 'volumes']) mkdirSync(join(directory, folder))
  const cgroup = stack.use(makeCgroup()).path
  const namespaces = stack.use(await startNamespaces(directory))
  const addresses = await joinNetwork(namespaces.pid)
  write(directory, runtimeFiles({ directory, addresses, runc: runcPath() }))
  const inside = { directory, binaries, namespaces }
  const planned = startControlPlane({ network: addresses }).then((started) => stack.use(started))
  const outcomes = await Promise.allSettled([planned, startContainerd(stack, inside, images)])
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  const controlPlane = await planned
  const { certificates, kubeconfig } = controlPlane
  write(directory, nodeFiles({ directory, addresses, certificates, cgroup, podLogs: tempLogFolder('pods') }))
  await startRest(stack, { ...inside, addresses, certificates })
  const admin = ['--kubeconfig', kubeconfig]
  const kubectl: Node['kubectl'] = (args, input) => command(binaries.kubectl, [...admin, ...args], input)
  await kubectl(['apply', '-f', '-'], STORAGE_CLASS)
  for (const what of ['create', 'condition=Ready'])
    await kubectl(['wait', `--for=${what}`, `node/${NODE_NAME}`, '--timeout=60s'])
  const started = stack.move()
  return {
    controlPlane,
    addresses,
    kubectl,
    helm: (args, input) => command(binaries.helm, [...admin, ...args], input),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
