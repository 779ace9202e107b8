/** The whole platform with one fleet, as tests of alerts use it: rules applied, readings sent at known times, the history read back. */
import assert from 'node:assert/strict'
import type { Ref } from '@fleetloom/crds/names'
import type { NewDevice } from '../kit/api-client.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { ruleYaml } from './rules-under-test.ts'

export const FLEET: Ref = { namespace: 'cold', name: 'reefers' }

export const fleetYaml = (spec = '', fleet = FLEET): string => `
apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: { name: ${fleet.name}, namespace: ${fleet.namespace} }
spec:
  measurements: [{ name: temperature, type: Double }]
  storage: { rollups: [] }
  limits: { messagesPerSecond: 10000 }
${spec}
`

export type AlertRow = {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly cause: string
  readonly device: string
  readonly value: number | null
  /** Event time, ms. */
  readonly ms: number
}

/** What became of an alert, without its ids and times: `firing`, `resolved by condition`. */
export type Story = readonly string[]

/** A device that sends readings; its timestamps only grow. */
export type Sender = AsyncDisposable & {
  readonly device: string
  /** Sends a temperature and gives the time that it is stamped with, ms. */
  send(temperature: number): Promise<number>
}

export type AlertingUnderTest = AsyncDisposable & {
  readonly platform: Platform
  applyRule(name: string, when: string, spec?: Readonly<Record<string, unknown>>): Promise<void>
  removeRule(name: string): void
  sender(device: string | NewDevice, fleet?: Ref): Promise<Sender>
  /** Transitions of a rule, oldest first. */
  rows(rule: string): Promise<AlertRow[]>
  /** Waits until the history of a rule tells exactly this, by device. */
  untilStories(rule: string, expected: Readonly<Record<string, Story>>, deadlineMs?: number): Promise<void>
}

type Shown = {
  readonly kind: string
  readonly metadata: Ref & { readonly generation: number }
  readonly status?: {
    readonly conditions?: readonly { type: string; status: string; message: string; observedGeneration: number }[]
    readonly devices?: { readonly registered: number; readonly online: number }
  }
}

/** A resource as the operator shows it. */
export const shown = async (platform: Platform, kind: string, ref: Ref): Promise<Shown | undefined> => {
  const response = await fetch(`${platform.operator.url}/status?output=json`)
  const { resources } = (await response.json()) as { resources: Shown[] }
  return resources.find(
    ({ kind: is, metadata }) => is === kind && metadata.name === ref.name && metadata.namespace === ref.namespace,
  )
}

const untilRuleReady = (platform: Platform, rule: Ref, least: number): Promise<unknown> =>
  until(
    async () => {
      const { metadata, status } = (await shown(platform, 'AlertRule', rule)) ?? {}
      const ready = status?.conditions?.find(({ type }) => type === 'Ready')
      if (!ready || !metadata || metadata.generation < least) throw new Error('nothing was said yet')
      if (ready.status !== 'True' || ready.observedGeneration !== metadata.generation) throw new Error(ready.message)
      return true
    },
    { what: `rule ${rule.name} to be judged`, deadlineMs: 60_000, everyMs: 200 },
  )

const storyOf = (rows: readonly AlertRow[], device: string): Story =>
  rows.filter((row) => row.device === device).map(({ to, cause }) => (to === 'firing' ? to : `${to} by ${cause}`))

const readRows = (platform: Platform, rule: string): Promise<AlertRow[]> =>
  platform.sql<AlertRow>(
    `SELECT id, "from", "to", cause, device, value, ts / 1000 ms FROM alerts WHERE rule = '${rule}' ORDER BY ts`,
  )

const senderOf = async (platform: Platform, fleet: Ref, wanted: string | NewDevice): Promise<Sender> => {
  const device = await platform.register(fleet, wanted)
  const session = await platform.connect(device)
  const topic = `fleets/${fleet.namespace}/${fleet.name}/${device.device}/telemetry`
  let ts = 0
  return {
    device: device.device,
    send: async (temperature) => {
      ts = Math.max(ts + 1, Date.now())
      const at = ts
      await session.client.publishAsync(topic, JSON.stringify({ temperature, ts }), { qos: 1 })
      return at
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  }
}

export type AlertingOptions = {
  /** Further lines of the fleet's spec. */
  readonly spec?: string
  readonly alertmanagerUrl?: string
  readonly alerter?: Readonly<Record<string, string>>
}

/** What an alerter in these tests is told beside its servers. */
export const alerterEnv = ({ alertmanagerUrl, alerter }: AlertingOptions): Record<string, string> => ({
  WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  WEBHOOK_BACKOFF_MS: '100',
  CHECKPOINT_MS: '1000',
  ...(alertmanagerUrl !== undefined && { ALERTMANAGER_URLS: alertmanagerUrl }),
  ...alerter,
})

export const startAlerting = async (options: AlertingOptions = {}): Promise<AlertingUnderTest> => {
  const platform = await startPlatform({
    manifests: { 'reefers.yaml': fleetYaml(options.spec) },
    env: { alerter: alerterEnv(options) },
  })
  await platform.untilReady(FLEET, { deadlineMs: 60_000 })
  /** Manifests of each rule, each another than the one before it. */
  const applied = new Map<string, string[]>()
  return {
    platform,
    applyRule: async (name, when, spec) => {
      const rule = { namespace: FLEET.namespace, name }
      const text = ruleYaml({ rule, when, ...(spec && { spec }) })
      const before = applied.get(name) ?? []
      applied.set(name, before.at(-1) === text ? before : [...before, text])
      platform.apply(`${name}.yaml`, text)
      await untilRuleReady(platform, rule, applied.get(name)?.length ?? 1)
    },
    removeRule: (name) => platform.remove(`${name}.yaml`),
    sender: (device, fleet = FLEET) => senderOf(platform, fleet, device),
    rows: (rule) => readRows(platform, rule),
    untilStories: async (rule, expected, deadlineMs = 30_000) => {
      await until(
        async () => {
          const rows = await readRows(platform, rule)
          const told = Object.fromEntries(Object.keys(expected).map((device) => [device, storyOf(rows, device)]))
          assert.deepEqual(told, expected)
          return true
        },
        { what: `the history of ${rule}`, deadlineMs, everyMs: 200 },
      )
    },
    [Symbol.asyncDispose]: () => platform[Symbol.asyncDispose](),
  }
}
