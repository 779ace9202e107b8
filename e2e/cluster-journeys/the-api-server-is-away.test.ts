/**
 * The API server is killed, cut off, or forgets its history: readings flow on, the operator catches up when it is back, and what
 * did not change is not written again.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ref } from '@fleetloom/crds/names'
import { KubeApi } from '@fleetloom/operator/source/kube/kube-api'
import { fromKubeconfig } from '@fleetloom/operator/source/kube/kube-config'
import { collectionPath } from '@fleetloom/operator/source/kube/objects'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { fleetYaml, type KubePlatform, startKubePlatform } from '../cluster/kube-platform.ts'
import { kubeconfigThrough } from '../cluster/kubernetes.ts'
import type { Device } from '../kit/api-client.ts'
import { startProxy, type TcpProxy } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

/** Long enough for the lease to be lost. */
const AWAY_MS = process.env.FLEETLOOM_FULL === '1' ? 120_000 : 15_000
const EVERY_MS = 100
const HELLO = -1
const DEVICES = ['killed', 'partitioned'] as const
const STEADY: Ref = { namespace: 'plant', name: 'steady' }

let kube: KubePlatform
let proxy: TcpProxy
let nats: Nats
let devices: readonly Device[]

const fleet = (name: string): Ref => ({ namespace: 'plant', name })
const apply = (name: string) => kube.kubernetes.apply(fleetYaml(fleet(name)))

/** Heard of once, a device is online: its first reading later on changes no status. */
const sayHello = async (device: Device): Promise<void> => {
  await using session = await kube.platform.connect(device)
  const body = JSON.stringify({ temperature: HELLO, ts: Date.now() })
  await session.client.publishAsync(`fleets/plant/steady/${device.device}/telemetry`, body, { qos: 1 })
}

before(async () => {
  kube = await startKubePlatform({
    kubeconfig: async ({ controlPlane, operatorKubeconfig }) => {
      proxy = await startProxy(Number(new URL(controlPlane.server).port))
      return kubeconfigThrough(operatorKubeconfig, proxy.port)
    },
    // As a kubelet would: an operator that ended is started again.
    platform: {
      onDeath: (part) => {
        if (part === 'operator') setTimeout(() => kube.platform.operator.start().catch(() => undefined), 500)
      },
    },
  })
  nats = await connectNats('test', kube.platform.nats.settings())
  await kube.kubernetes.kubectl(['create', 'namespace', 'plant'])
  // A device that falls silent while a test looks on would be a change of the status.
  await kube.kubernetes.apply(fleetYaml(STEADY, { offlineAfter: '1h' }))
  await kube.untilReady(STEADY)
  devices = await Promise.all(DEVICES.map((device) => kube.platform.register(STEADY, device)))
  await Promise.all(devices.map(sayHello))
  await until(
    async () => {
      const { registered, online } = (await kube.kubernetes.fleet(STEADY)).status?.devices ?? {}
      return registered === devices.length && online === devices.length
    },
    { what: 'the devices to be counted, registered and online' },
  )
})

after(async () => {
  await nats[Symbol.asyncDispose]()
  await kube[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
})

/** What the steady fleet has everywhere; it changes when anybody writes. */
const traces = async () => {
  const kv = await nats.bucket('fleetloom-pipeline')
  const { config, created } = await nats.jsm.streams.info('fleet_plant_steady')
  return {
    resourceVersion: (await kube.kubernetes.fleet(STEADY)).metadata.resourceVersion,
    document: (await kv.get('fleet.plant.steady'))?.revision,
    stream: { config, created },
    columns: await kube.platform.sql('select "column", type from table_columns(\'plant_steady\')'),
  }
}

/** Publishes readings all the while, and makes sure that each is in the database afterwards. */
const whileReadingsFlow = async (device: (typeof DEVICES)[number], work: () => Promise<void>): Promise<void> => {
  await using session = await kube.platform.connect(devices.find((one) => one.device === device) as Device)
  let sent = 0
  let done = false
  const publishing = (async () => {
    while (!done) {
      const body = JSON.stringify({ temperature: sent, ts: Date.now() })
      await session.client.publishAsync(`fleets/plant/steady/${device}/telemetry`, body, { qos: 1 })
      sent++
      await sleep(EVERY_MS)
    }
  })()
  await work().finally(() => {
    done = true
  })
  await publishing
  const count = async () => {
    const [row] = await kube.platform.sql<{ n: number }>(
      `select count() n from plant_steady where device = '${device}' and temperature <> ${HELLO}`,
    )
    return row?.n
  }
  await until(async () => (await count()) === sent, { what: `${sent} readings of ${device}` })
  process.stdout.write(`${device}: ${sent} readings published meanwhile, all there\n`)
}

const unchanged = async (work: () => Promise<void>): Promise<void> => {
  const before = await traces()
  await work()
  assert.deepEqual(await traces(), before)
}

test('the API server is killed and started again', async () => {
  await whileReadingsFlow('killed', () =>
    unchanged(async () => {
      const { apiserver } = kube.kubernetes.controlPlane
      await apiserver.kill('SIGKILL')
      await sleep(3_000)
      await apiserver.start()
      await apply('after-restart')
      await kube.untilReady(fleet('after-restart'), 60_000)
    }),
  )
})

test('its connections are cut, the watches among them', async () => {
  await unchanged(async () => {
    for (let i = 0; i < 3; i++) {
      proxy.cut()
      await sleep(200)
      proxy.heal()
      await apply(`after-cut-${i}`)
      await kube.untilReady(fleet(`after-cut-${i}`), 30_000)
    }
  })
})

test('the network to it is partitioned for longer than the lease lasts', async () => {
  await whileReadingsFlow('partitioned', () =>
    unchanged(async () => {
      proxy.freeze()
      await apply('during-partition')
      await sleep(AWAY_MS)
      proxy.heal()
      await kube.untilReady(fleet('during-partition'), 60_000)
    }),
  )
})

test('it has forgotten the version that the watch stood at: everything is listed again', async () => {
  const { apiserver, etcdUrl } = kube.kubernetes.controlPlane
  await unchanged(async () => {
    proxy.cut()
    await apply('unseen')
    const { metadata } = await kube.kubernetes.api.request<{ metadata: { resourceVersion: string } }>({
      method: 'GET',
      path: '/api/v1/namespaces',
    })
    const body = JSON.stringify({ revision: metadata.resourceVersion, physical: true })
    assert.equal((await fetch(`${etcdUrl}/v3/kv/compaction`, { method: 'POST', body })).status, 200)
    await apiserver.kill('SIGKILL')
    await apiserver.start()
    proxy.heal()
    await kube.untilReady(fleet('unseen'), 60_000)
  })
})

/** One request of the operator's account at a time; what comes meanwhile is answered 429. */
const THROTTLE = [
  {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'PriorityLevelConfiguration',
    metadata: { name: 'throttled' },
    spec: {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 0, borrowingLimitPercent: 0, limitResponse: { type: 'Reject' } },
    },
  },
  {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    metadata: { name: 'throttled' },
    spec: {
      priorityLevelConfiguration: { name: 'throttled' },
      matchingPrecedence: 2,
      rules: [
        {
          subjects: [
            { kind: 'ServiceAccount', serviceAccount: { namespace: 'fleetloom', name: 'fleetloom-operator' } },
          ],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
        },
      ],
    },
  },
]

/** Asks with the operator's account, all the time, so that the one seat is taken. */
const crowd = async (): Promise<AsyncDisposable> => {
  const stop = new AbortController()
  const { signal } = stop
  const api = new KubeApi(await fromKubeconfig(kube.kubernetes.operatorKubeconfig))
  const ask = async (): Promise<void> => {
    while (!signal.aborted) {
      const path = collectionPath('DeviceFleet')
      await api.request({ method: 'GET', path, signal }).catch(() => undefined)
    }
  }
  const asking = Array.from({ length: 16 }, ask)
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.all(asking)
      api[Symbol.dispose]()
    },
  }
}

test('it throttles us', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `during-throttling-${index}`)
  const refusals = (): number =>
    readFileSync(kube.platform.operator.logFile, 'utf8').match(/too many requests/gi)?.length ?? 0
  await unchanged(async () => {
    const before = refusals()
    await kube.kubernetes.apply(THROTTLE.map((one) => JSON.stringify(one)).join('\n---\n'))
    {
      await using _ = await crowd()
      for (const name of names) await apply(name)
      await until(() => refusals() >= before + 5, {
        what: 'the operator to be refused a few times',
        deadlineMs: 60_000,
      })
    }
    await kube.kubernetes.kubectl(['delete', 'flowschema,prioritylevelconfiguration', 'throttled'])
    for (const name of names) await kube.untilReady(fleet(name), 60_000)
  })
})
