/** The configuration of a node's programs. */
import { join } from 'node:path'
import type { Certificates } from './certificates.ts'
import type { Addresses } from './network.ts'

/** Name of the image that holds a pod's namespaces open. */
export const SANDBOX_IMAGE = 'localhost/fleetloom-sandbox:1'
export const NODE_NAME = 'node1'
export const CNI_PLUGINS = '/usr/lib/cni'

/** What the container runtime's files are made of. */
export type RuntimeFiles = { readonly directory: string; readonly addresses: Addresses; readonly runc: string }

export type NodeFiles = {
  readonly directory: string
  readonly addresses: Addresses
  readonly certificates: Certificates
  /** Control group that holds the pods'. */
  readonly cgroup: string
  /** Folder of the pods' logs. */
  readonly podLogs: string
}

/** Path of containerd's socket. */
export const socketOf = (directory: string): string => join(directory, 'containerd.sock')

/** Each pod has a link of its own to the node, which routes: so all that goes between pods passes the Services' rules. */
const cni = ({ directory, addresses }: RuntimeFiles): string =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'ptp',
        ipam: {
          type: 'host-local',
          dataDir: join(directory, 'cni', 'addresses'),
          ranges: [[{ subnet: addresses.pods }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  })

const DISABLED = ['snapshotter.v1.btrfs', 'snapshotter.v1.devmapper', 'snapshotter.v1.zfs', 'snapshotter.v1.blockfile']
  .concat('snapshotter.v1.erofs', 'nri.v1.nri', 'internal.v1.tracing')
  .map((name) => `io.containerd.${name}`)

const containerd = ({ directory, runc }: RuntimeFiles): string => `version = 3
root = "${directory}/containerd/root"
state = "${directory}/containerd/state"
disabled_plugins = ${JSON.stringify(DISABLED)}
[grpc]
address = "${socketOf(directory)}"
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "${SANDBOX_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["${CNI_PLUGINS}"]
conf_dir = "${directory}/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "${runc}"
SystemdCgroup = false
`

const kubelet = ({ directory, addresses, certificates: { file }, cgroup, podLogs }: NodeFiles): string =>
  JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: cgroup,
    containerRuntimeEndpoint: `unix://${socketOf(directory)}`,
    podLogsDir: podLogs,
    volumePluginDir: join(directory, 'kubelet', 'volume-plugins'),
    address: addresses.node,
    clusterDNS: [addresses.node],
    clusterDomain: 'cluster.local',
    resolvConf: '',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: file('ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: file('node.crt'),
    tlsPrivateKeyFile: file('node.key'),
    failSwapOn: false,
    oomScoreAdj: 0,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    nodeStatusUpdateFrequency: '5s',
    syncFrequency: '10s',
    shutdownGracePeriod: '0s',
  })

/** A node's network has no settings of connection tracking of its own that the proxy could write. */
const proxy = ({ addresses, certificates }: NodeFiles): string =>
  JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clusterCIDR: addresses.pods,
    hostnameOverride: NODE_NAME,
    clientConnection: { kubeconfig: certificates.kubeconfig('proxy') },
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    oomScoreAdj: 0,
  })

const dns = ({ addresses, certificates }: NodeFiles): string => `.:53 {
  bind ${addresses.node}
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${certificates.kubeconfig('admin')}
    ttl 5
  }
  cache 5
}
`

/** Texts by their paths under the node's directory. */
type Texts = Readonly<Record<string, string>>

export const runtimeFiles = (files: RuntimeFiles): Texts => ({
  'cni/10-pods.conflist': cni(files),
  'containerd.toml': containerd(files),
})

export const nodeFiles = (files: NodeFiles): Texts => ({
  'kubelet.yaml': kubelet(files),
  'proxy.yaml': proxy(files),
  Corefile: dns(files),
})
