/**
 * A whole Kubernetes from its Go modules: etcd, control plane, node components and kubectl in one binary, with CoreDNS,
 * containerd and helm beside it. The first build takes some minutes; what is built is kept below `.cache/cluster`, in a folder
 * named after everything that goes into it.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rename, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ROOT } from '../tools/paths.ts'
import { run } from '../tools/run.ts'

const MODULE = join(import.meta.dirname, 'go')
const CACHE = join(ROOT, '.cache', 'cluster')
const PACKAGES = [
  './kube',
  './coredns',
  'helm.sh/helm/v3/cmd/helm',
  'github.com/containerd/containerd/v2/cmd/containerd',
  'github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2',
  'github.com/containerd/containerd/v2/cmd/ctr',
]
const TICK_MS = 15_000

/** Version of Kubernetes, e.g. `1.36.3`, as go.mod pins it. */
export const kubernetesVersion = (): string => {
  const pinned = /^\s*k8s\.io\/kubernetes v(\S+)$/m.exec(readFileSync(join(MODULE, 'go.mod'), 'utf8'))?.[1]
  if (pinned === undefined) throw new Error('e2e/cluster/go/go.mod does not pin k8s.io/kubernetes')
  return pinned
}

const fingerprint = (): string => {
  const hash = createHash('sha256').update(PACKAGES.join())
  for (const file of globSync('**/*.{go,mod,sum}', { cwd: MODULE }).sort())
    hash.update(readFileSync(join(MODULE, file)))
  return hash.digest('hex').slice(0, 16)
}

/** Without these the version is a placeholder that helm can't read. */
const versionFlags = (version: string): string => {
  const fields = {
    gitVersion: `v${version}`,
    gitMajor: version.split('.')[0],
    gitMinor: version.split('.')[1],
    gitTreeState: 'clean',
    gitCommit: '0',
    buildDate: '1970-01-01T00:00:00Z',
  }
  const flags = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) =>
    Object.entries(fields).map(([key, value]) => `-X ${path}.${key}=${value}`),
  )
  return ['-s', '-w', ...flags].join(' ')
}

const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** Runs `go build -v`, which names each package that it has compiled, and tells how far it is. */
const compile = async (into: string): Promise<void> => {
  const args = ['build', '-v', '-mod=readonly', '-trimpath', '-buildvcs=false']
  const flags = ['-ldflags', versionFlags(kubernetesVersion()), '-o', `${into}/`, ...PACKAGES]
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '' }
  const go = spawn('go', [...args, ...flags], { cwd: MODULE, env, stdio: ['ignore', 'ignore', 'pipe'] })
  const startMs = performance.now()
  let compiled = 0
  let downloaded = 0
  let faults: string[] = []
  const tick = setInterval(() => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0)
    say(`    ${seconds} s: ${downloaded} modules downloaded, ${compiled} packages compiled`)
  }, TICK_MS)
  go.stderr.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n').filter((one) => one !== '')) {
      if (line.startsWith('go: downloading ')) downloaded++
      else if (/^[\w.~/-]+$/.test(line)) compiled++
      else faults = [...faults, line].slice(-20)
    }
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  go.on('error', (error) => reject(new Error(`go could not be run (${error.message}): install Go 1.26 or later`)))
  go.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`go build failed:\n${faults.join('\n')}`))))
  await promise.finally(() => clearInterval(tick))
}

/** What is left of builds with other pins. */
const removeOthers = async (keep: string): Promise<void> => {
  for (const name of await readdir(CACHE)) if (name !== basename(keep)) await rm(join(CACHE, name), { recursive: true })
}

export type Binaries = {
  /** The folder that holds them; `kubectl` and `helm` among them. */
  readonly folder: string
  readonly kube: string
  readonly kubectl: string
  readonly helm: string
}

const binariesIn = (folder: string): Binaries => {
  const at = (name: string) => join(folder, name)
  return { folder, kube: at('kube'), kubectl: at('kubectl'), helm: at('helm') }
}

/** Whether Go is there to build with, or a build is there already. */
export const canBuild = async (): Promise<boolean> =>
  existsSync(join(CACHE, fingerprint())) || (await run('go', ['version'])).code === 0

/** The binaries, built if they are not there yet. */
export const buildCluster = async (): Promise<Binaries> => {
  const folder = join(CACHE, fingerprint())
  if (existsSync(folder)) return binariesIn(folder)
  say(`  … Kubernetes ${kubernetesVersion()} from its Go modules (about 5 minutes on 2 cores, once)`)
  const unfinished = `${folder}.${process.pid}`
  await mkdir(unfinished, { recursive: true })
  try {
    await compile(unfinished)
    await symlink('kube', join(unfinished, 'kubectl'))
    await rename(unfinished, folder)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
  await removeOthers(folder)
  say('  ✓ Kubernetes is built')
  return binariesIn(folder)
}
