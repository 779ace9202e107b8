/** Admission on a Kubernetes cluster: every replica judges what is applied, the one that leads keeps the certificates. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import { label, namesOf, type Ref } from '@fleetloom/crds/names'
import type { Nats } from '@fleetloom/shared/nats'
import { followBucket } from '@fleetloom/shared/pipeline/follow-bucket'
import type { ProcessContext } from '@fleetloom/shared/process/run'
import type { CheckedFleet, RuleCheck } from '../alert-rule/check.ts'
import { rulesOf } from '../alert-rule/kind.ts'
import type { Config } from '../config.ts'
import type { WriteGate } from '../loop/write-gate.ts'
import { type KubeApi, KubeError } from '../source/kube/kube-api.ts'
import { objectPath } from '../source/kube/objects.ts'
import type { Resource, Source } from '../source/source.ts'
import { Claims } from '../targets/pipeline/claims.ts'
import { type Certificates, keepCertificates } from './certificates.ts'
import { authoritySecret, webhookConfiguration } from './kube-objects.ts'
import { serveAdmission } from './server.ts'
import type { Known } from './verdict.ts'

type Context = ProcessContext<Config>

export type Surroundings = {
  readonly api: KubeApi
  readonly source: Pick<Source, 'get' | 'list'>
  readonly nats: Nats
  readonly check: RuleCheck
  readonly gate: WriteGate
  readonly leads: () => boolean
}

/** The API server waits for us for 5 s in all. */
const FLEET_TIMEOUT_MS = 2_000

/** Asked anew each time: a fleet that was applied a moment before its rule is not in the watch yet. */
const fleetNow =
  ({ api, source }: Pick<Surroundings, 'api' | 'source'>): Known['fleet'] =>
  async (ref) => {
    try {
      const signal = AbortSignal.timeout(FLEET_TIMEOUT_MS)
      return (
        await api.request<{ spec: CheckedFleet }>({ method: 'GET', path: objectPath('DeviceFleet', ref), signal })
      ).spec
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return undefined
      return ((await source.get('DeviceFleet', ref)) as Resource<CheckedFleet> | undefined)?.spec
    }
  }

const followClaims = async ({ config, log, stack }: Context, { nats }: Surroundings): Promise<Claims> => {
  const kv = await nats.bucket(namesOf(config.installation).buckets.pipeline)
  const claims = new Claims(kv)
  const onPut = (key: string, value: Uint8Array): void => claims.onPut(key, value)
  stack.use(await followBucket({ kv, log, onPut, onDelete: (key) => claims.onDelete(key) }))
  return claims
}

/** Serves until the stack is disposed; without WEBHOOK_CONFIGURATION nothing is served, and nothing given. */
export const openAdmission = async (context: Context, around: Surroundings): Promise<Certificates | undefined> => {
  const { config, log, stack } = context
  const { webhookConfiguration: name, webhookSecret, leaseNamespace: namespace } = config
  if (name === undefined) return undefined
  const { api, source, check, gate, leads } = around
  const claims = await followClaims(context, around)
  const known: Known = {
    check,
    fleet: fleetNow(around),
    rules: (fleet: Ref): Promise<Resource<AlertRuleSpec>[]> => rulesOf({ source }, fleet),
    conflict: (fleet, filters) => claims.conflictOf(fleet, filters)?.message,
  }
  const address = { host: config.httpHost, port: config.webhookPort }
  const server = stack.use(await serveAdmission(address, known, log))
  const beforeWrite = (what: string): void => gate('kubernetes', what)
  const secret = authoritySecret(api, { namespace, name: webhookSecret }, beforeWrite)
  const configuration = webhookConfiguration(api, name, beforeWrite)
  const certificates = stack.use(await keepCertificates({ secret, configuration, leads, use: server.use, log }))
  log.info({ port: server.port, secret: label({ namespace, name: webhookSecret }) }, 'judging what is applied')
  return certificates
}
