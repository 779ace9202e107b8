/** The programs of a node: where they are, and how each is started. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { together } from '../kit/together.ts'
import { run } from '../tools/run.ts'
import type { Binaries } from './build.ts'
import type { Certificates } from './certificates.ts'
import { type Namespaces, startProgram } from './namespaces.ts'
import type { Addresses } from './network.ts'
import { CNI_PLUGINS, NODE_NAME, socketOf } from './node-files.ts'

/** Programs that come from the distribution, and their Debian packages. */
const PACKAGES = { nft: 'nftables', runc: 'runc', nsenter: 'util-linux', ip: 'iproute2', sysctl: 'procps' } as const
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

const find = (program: string): string | undefined =>
  FOLDERS.map((folder) => join(folder, program)).find((path) => existsSync(path))

const missingPackages = (): string[] => [
  ...Object.entries(PACKAGES).flatMap(([program, name]) => (find(program) === undefined ? [name] : [])),
  ...(existsSync(join(CNI_PLUGINS, 'ptp')) ? [] : ['containernetworking-plugins']),
]

/** Installs the Debian packages that a node needs; gives those that are still missing. */
export const installMissing = async (): Promise<string[]> => {
  const missing = missingPackages()
  if (missing.length === 0) return []
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = () => run('apt-get', ['install', '-y', '--no-install-recommends', ...missing], env)
  if ((await install()).code !== 0 && (await run('apt-get', ['update'], env)).code === 0) await install()
  return missingPackages()
}

/** @throws when it is not installed */
export const runcPath = (): string => {
  const path = find('runc')
  if (path === undefined) throw new Error('runc is not installed; run: apt-get install -y runc')
  return path
}

type Inside = { readonly directory: string; readonly binaries: Binaries; readonly namespaces: Namespaces }

const pathWith = ({ folder }: Binaries) => ({ PATH: [folder, ...FOLDERS].join(delimiter) })

/** Starts containerd and gives it the images of these OCI archives. */
export const startContainerd = async (
  stack: AsyncDisposableStack,
  { directory, binaries, namespaces }: Inside,
  images: readonly string[],
): Promise<void> => {
  const at = (name: string) => join(binaries.folder, name)
  const ctr = (...args: string[]) => {
    const client = [at('ctr'), '--address', socketOf(directory), '--namespace', 'k8s.io']
    const [command, ...rest] = namespaces.inside([...client, ...args])
    return run(command, rest)
  }
  const command = namespaces.inside([at('containerd'), '--config', join(directory, 'containerd.toml')])
  const ready = async () => (await ctr('version')).code === 0
  stack.use(await startProgram({ name: 'containerd', command, env: pathWith(binaries), ready }))
  for (const image of images) {
    const { code, output } = await ctr('images', 'import', '--local', image)
    if (code !== 0) throw new Error(`${image} could not be imported: ${output}`)
  }
}

type Rest = Inside & { readonly addresses: Addresses; readonly certificates: Certificates }

/** Starts everything of a node beside the control plane and containerd. */
export const startRest = async (stack: AsyncDisposableStack, parts: Rest): Promise<void> => {
  const { directory, binaries, namespaces, addresses, certificates } = parts
  const at = (name: string) => join(directory, name)
  const kubeconfig = (...client: Parameters<Certificates['kubeconfig']>) => [
    '--kubeconfig',
    certificates.kubeconfig(...client),
  ]
  const inside = (name: string, command: readonly string[]) =>
    startProgram({ name, command: namespaces.inside(command), env: pathWith(binaries) })
  const beside = (name: string, ...args: string[]) => startProgram({ name, command: [binaries.kube, name, ...args] })
  const kubelet = [...kubeconfig('node'), '--config', at('kubelet.yaml'), '--root-dir', at('kubelet')]
    .concat('--cert-dir', at('kubelet/pki'))
    .concat('--hostname-override', NODE_NAME, '--node-ip', addresses.node)
  await together(
    stack,
    inside('kubelet', [binaries.kube, 'kubelet', ...kubelet]),
    inside('kube-proxy', [binaries.kube, 'kube-proxy', '--config', at('proxy.yaml')]),
    inside('coredns', [join(binaries.folder, 'coredns'), '-conf', at('Corefile')]),
    beside('kube-scheduler', ...kubeconfig('scheduler'), '--leader-elect=false', '--secure-port=0'),
    beside('local-volumes', ...kubeconfig('admin'), '--folder', at('volumes'), '--node', NODE_NAME),
  )
}
