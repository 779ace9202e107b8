/** Several replicas of the operator, of which one works: who takes over, how soon, and that two never write. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fleetYaml, type KubePlatform, startKubePlatform, sumOf } from '../cluster/kube-platform.ts'
import { operatorOn, RELEASE } from '../cluster/kubernetes.ts'
import type { ServiceProcess } from '../kit/services.ts'
import { until } from '../kit/until.ts'

const TAKE_OVER_MS = 20_000
/** Far less than the 15 s that a lease lasts which is not given back. */
const GIVEN_BACK_MS = 10_000

let kube: KubePlatform
let replicas: readonly ServiceProcess[]

type Lease = { readonly spec: { readonly holderIdentity: string; readonly leaseTransitions: number } }

const lease = async (): Promise<Lease['spec']> => {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${RELEASE.namespace}/leases/fleetloom-operator`
  return (await kube.kubernetes.api.request<Lease>({ method: 'GET', path })).spec
}

const leader = async (): Promise<ServiceProcess> => {
  const { holderIdentity } = await lease()
  const found = replicas.find(({ name }) => name === holderIdentity)
  if (!found) throw new Error(`the lease is held by ${JSON.stringify(holderIdentity)}`)
  return found
}

const writesOf = async ({ url }: ServiceProcess): Promise<number> =>
  sumOf(await (await fetch(`${url}/metrics`)).text(), 'fleetloom_operator_external_writes_total')

const apply = (name: string) => kube.kubernetes.apply(fleetYaml({ namespace: 'plant', name }))

before(async () => {
  kube = await startKubePlatform()
  const env = { ...operatorOn(kube.kubernetes.operatorKubeconfig), RESYNC_MS: '1000' }
  const second = await kube.platform.another('operator', { replica: 'operator-2', env })
  replicas = [kube.platform.operator, second]
  await kube.kubernetes.kubectl(['create', 'namespace', 'plant'])
  await apply('first')
  await kube.untilReady({ namespace: 'plant', name: 'first' })
})

after(() => kube[Symbol.asyncDispose]())

test('a follower is ready, knows the resources and writes nothing', async () => {
  const first = await leader()
  const follower = replicas.find((one) => one !== first) as ServiceProcess
  assert.equal((await fetch(`${follower.url}/readyz`)).status, 200)
  assert.equal(await writesOf(follower), 0)
  assert.ok((await writesOf(first)) > 0)
})

test('a leader that is killed is replaced within 20 s', async () => {
  const killed = await leader()
  await killed.kill('SIGKILL')
  const startMs = performance.now()
  await apply('second')
  const heir = await until(
    async () => {
      const now = await leader()
      return now === killed ? undefined : now
    },
    { what: 'another leader', deadlineMs: TAKE_OVER_MS, everyMs: 200 },
  )
  await kube.untilReady({ namespace: 'plant', name: 'second' })
  process.stdout.write(`${heir.name} leads ${((performance.now() - startMs) / 1000).toFixed(1)} s after the kill\n`)
  await killed.start()
})

test('a leader that is stopped cleanly gives the lease back: the other leads at once', async () => {
  const stopped = await leader()
  const startMs = performance.now()
  await stopped.kill('SIGTERM')
  await until(async () => (await leader()) !== stopped, {
    what: 'another leader',
    deadlineMs: GIVEN_BACK_MS,
    everyMs: 100,
  })
  process.stdout.write(`the other leads ${((performance.now() - startMs) / 1000).toFixed(1)} s after the stop\n`)
  await stopped.start()
})

test('a leader that was paused past its lease writes nothing when it goes on, and ends', async () => {
  const paused = await leader()
  const pid = paused.pid as number
  const before = await writesOf(paused)
  process.kill(pid, 'SIGSTOP')
  await apply('third')
  const heir = await until(
    async () => {
      const now = await leader()
      return now === paused ? undefined : now
    },
    { what: 'another leader', deadlineMs: TAKE_OVER_MS, everyMs: 200 },
  )
  const third = { namespace: 'plant', name: 'third' }
  const ready = await kube.untilReady(third)
  // It wakes with a changed fleet before it, and its resync long due.
  await apply('fourth')
  process.kill(pid, 'SIGCONT')
  const seen: number[] = []
  await until(
    async () => {
      const writes = await writesOf(paused).catch(() => undefined)
      if (writes !== undefined) seen.push(writes)
      return paused.pid === undefined
    },
    { what: 'the old leader to end', deadlineMs: 30_000, everyMs: 20 },
  )
  assert.deepEqual(
    seen.filter((writes) => writes > before),
    [],
    'it wrote after its lease was over',
  )
  await kube.untilReady({ namespace: 'plant', name: 'fourth' })
  assert.equal((await lease()).holderIdentity, heir.name)
  assert.equal((await kube.kubernetes.fleet(third)).metadata.resourceVersion, ready.metadata.resourceVersion)
  await paused.start()
})
