/** The whole platform with its operator on a real control plane, and what the journeys ask of it. */
import { label, type Ref } from '@fleetloom/crds/names'
import { type Platform, startPlatform } from '../kit/platform.ts'
import type { PlatformOptions } from '../kit/platform-options.ts'
import { until } from '../kit/until.ts'
import { type KubeFleet, type Kubernetes, type KubernetesOptions, operatorOn, startKubernetes } from './kubernetes.ts'
import { applyWebhook, webhookEnv } from './webhook.ts'

export type KubePlatform = AsyncDisposable & {
  readonly kubernetes: Kubernetes
  readonly platform: Platform
  /** Waits until the fleet is Ready at its latest generation. */
  untilReady(fleet: Ref, deadlineMs?: number): Promise<KubeFleet>
  /** Waits for a condition of the fleet whose `Type=Status Reason: message` matches. */
  untilSays(fleet: Ref, words: RegExp, deadlineMs?: number): Promise<string>
  /** The same of a rule. */
  untilRuleSays(rule: Ref, words: RegExp, deadlineMs?: number): Promise<string>
  /** Waits for an event about the fleet whose `Reason: message` matches. */
  untilTold(fleet: Ref, words: RegExp, deadlineMs?: number): Promise<string>
  /** A metric of the operator, its series added up. */
  metric(name: string): Promise<number>
}

/** Everything is looked at every second, so that drift shows soon. */
export const RESYNC_MS = 1_000

export type Options = KubernetesOptions & {
  readonly platform?: PlatformOptions
  readonly resyncMs?: number
  /** The API server asks the operator before it takes a resource, at this port of the machine. */
  readonly webhookPort?: number
  /** Called before the operator starts. */
  readonly prepare?: (kubernetes: Kubernetes) => Promise<unknown>
  /** The operator's way to the API server, where it is not the straight one. */
  readonly kubeconfig?: (kubernetes: Kubernetes) => string | Promise<string>
}

/** The sum of a metric's series on a page of metrics. */
export const sumOf = (page: string, name: string): number =>
  page
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)

type Questions = Pick<KubePlatform, 'untilReady' | 'untilSays' | 'untilRuleSays' | 'untilTold'>

export const questions = ({ fleet, rule, kubectl }: Kubernetes): Questions => {
  const events = async ({ namespace, name }: Ref): Promise<string[]> => {
    const about = ['--field-selector', `involvedObject.name=${name}`]
    const list = await kubectl(['get', 'events', '--namespace', namespace, ...about, '--output', 'json'])
    const { items } = JSON.parse(list) as { items: { reason: string; message: string }[] }
    return items.map(({ reason, message }) => `${reason}: ${message}`)
  }
  const firstOf = (words: RegExp, said: readonly string[]): string => {
    const found = said.find((one) => words.test(one))
    if (found === undefined) throw new Error(`it was said:\n${said.join('\n')}`)
    return found
  }
  const untilSaid = (
    look: () => Promise<Pick<KubeFleet, 'status'>>,
    ref: Ref,
    words: RegExp,
    deadlineMs: number,
  ): Promise<string> =>
    until(
      async () => {
        const { conditions = [] } = (await look()).status ?? {}
        const said = conditions.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`)
        return firstOf(words, said)
      },
      { what: `a condition of ${label(ref)} like ${words}`, deadlineMs, everyMs: 100 },
    )
  return {
    untilReady: (ref, deadlineMs = 30_000) =>
      until(
        async () => {
          const found = await fleet(ref)
          const { observedGeneration, conditions = [] } = found.status ?? {}
          const ready = conditions.find(({ type }) => type === 'Ready')
          if (ready?.status === 'True' && observedGeneration === found.metadata.generation) return found
          throw new Error(conditions.map(({ type, status, message }) => `${type}=${status} ${message}`).join('; '))
        },
        { what: `${label(ref)} to be Ready`, deadlineMs, everyMs: 100 },
      ),
    untilSays: (ref, words, deadlineMs = 30_000) => untilSaid(() => fleet(ref), ref, words, deadlineMs),
    untilRuleSays: (ref, words, deadlineMs = 30_000) => untilSaid(() => rule(ref), ref, words, deadlineMs),
    untilTold: (ref, words, deadlineMs = 60_000) =>
      until(async () => firstOf(words, await events(ref)), {
        what: `an event about ${label(ref)} like ${words}`,
        deadlineMs,
        everyMs: 200,
      }),
  }
}

export const startKubePlatform = async (options: Options = {}): Promise<KubePlatform> => {
  await using stack = new AsyncDisposableStack()
  const kubernetes = stack.use(await startKubernetes(options))
  const {
    resyncMs = RESYNC_MS,
    platform: given = {},
    kubeconfig = (known: Kubernetes) => known.operatorKubeconfig,
    webhookPort,
  } = options
  if (webhookPort !== undefined) await applyWebhook(kubernetes, webhookPort)
  await options.prepare?.(kubernetes)
  const operator = {
    ...operatorOn(await kubeconfig(kubernetes)),
    ...(webhookPort !== undefined && webhookEnv(webhookPort)),
    RESYNC_MS: String(resyncMs),
    ...given.env?.operator,
  }
  const platform = stack.use(await startPlatform({ ...given, env: { ...given.env, operator } }))
  const parts = stack.move()
  return {
    kubernetes,
    platform,
    ...questions(kubernetes),
    metric: async (name) => sumOf(await (await fetch(`${platform.operator.url}/metrics`)).text(), name),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** Manifest of a fleet with these fields of its spec. */
export const fleetYaml = ({ namespace, name }: Ref, spec: object = {}, metadata: object = {}): string =>
  JSON.stringify({
    apiVersion: 'fleetloom.io/v1alpha1',
    kind: 'DeviceFleet',
    metadata: { namespace, name, ...metadata },
    spec: { measurements: [{ name: 'temperature', type: 'Double' }], stream: { maxBytes: '16Mi' }, ...spec },
  })
