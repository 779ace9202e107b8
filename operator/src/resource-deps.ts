/** What the kinds share: servers, followed buckets, and the triggers that make progress immediate. */
import { readFile } from 'node:fs/promises'
import { fleetOfKey, type Names, namesOf, type Ref, ruleOfKey } from '@fleetloom/crds/names'
import { parseGrants } from '@fleetloom/crds/topics'
import { durationMs } from '@fleetloom/crds/units'
import { sealKeys } from '@fleetloom/shared/alerts/seal'
import type { Broker } from '@fleetloom/shared/broker/broker'
import { sessionPassword } from '@fleetloom/shared/broker/session-password'
import type { Nats } from '@fleetloom/shared/nats'
import { followBucket } from '@fleetloom/shared/pipeline/follow-bucket'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { ProcessContext } from '@fleetloom/shared/process/run'
import { followDevices } from '@fleetloom/shared/registry/follow'
import { Registry } from '@fleetloom/shared/registry/registry'
import type { KV } from '@nats-io/kv'
import type { RuleDeps } from './alert-rule/facts.ts'
import { rulesOf } from './alert-rule/kind.ts'
import type { Config } from './config.ts'
import { watchBrokerQueue } from './device-fleet/backlog.ts'
import { DeviceIndex } from './device-fleet/device-index.ts'
import { eventsTables } from './device-fleet/events-table.ts'
import type { FleetDeps } from './device-fleet/facts.ts'
import type { SecretReader } from './source/secrets.ts'
import type { Kind, Source } from './source/source.ts'
import { accountList } from './targets/broker/account-list.ts'
import { AlerterAccount } from './targets/broker/alerter-account.ts'
import { Catalog } from './targets/database/catalog.ts'
import type { Questdb } from './targets/database/questdb-http.ts'
import { AppliedIndex, type News } from './targets/pipeline/applied-index.ts'
import { Claims } from './targets/pipeline/claims.ts'
import { Documents, FLEET_DOCUMENTS, RULE_DOCUMENTS } from './targets/pipeline/documents.ts'
import { DrainWatch } from './targets/pipeline/drained.ts'

type Context = ProcessContext<Config>

export type Servers = {
  readonly source: Source
  readonly secrets: SecretReader
  readonly nats: Nats
  readonly broker: Broker
  readonly database: Questdb
}

/** Asks for a look at a resource after a time, in which further requests collapse. */
export type Look = (kind: Kind, ref: Ref, afterMs: number) => void

/** Several reports of one fleet in this time cause one look; numbers that only change can wait longer. */
const SETTLE_MS = { conditions: 100, rules: 1_000, devices: 3_000 } as const

/** A topic that was freed may be what another fleet or a rule waits for. */
const lookAtConflicts = async (source: Source, look: Look): Promise<void> => {
  for (const kind of ['DeviceFleet', 'AlertRule'] as const)
    for (const { metadata, status } of await source.list(kind))
      if (status?.conditions.some(({ reason }) => reason === 'TopicConflict'))
        look(kind, metadata, SETTLE_MS.conditions)
}

/** A document that went without its resource is put back. */
export const lookAtOwner = (look: Look, key: string): void => {
  const [fleet, rule] = [fleetOfKey(key), ruleOfKey(key)]
  if (fleet) look('DeviceFleet', fleet, SETTLE_MS.conditions)
  if (rule) look('AlertRule', rule, SETTLE_MS.conditions)
}

const lookAtNews = async (source: Source, look: Look, fleet: Ref, { conditions, devices, rules }: News) => {
  if (conditions) look('DeviceFleet', fleet, SETTLE_MS.conditions)
  if (devices) look('DeviceFleet', fleet, SETTLE_MS.devices)
  if (rules.length === 0) return
  for (const { metadata } of await rulesOf({ source }, fleet))
    if (rules.includes(metadata.uid)) look('AlertRule', metadata, SETTLE_MS.rules)
}

const openBuckets = async (nats: Nats, { buckets }: Names) => {
  const open = (bucket: string): Promise<KV> => nats.bucket(bucket)
  const [pipeline, applied, devices] = await Promise.all([
    open(buckets.pipeline),
    open(buckets.applied),
    open(buckets.devices),
  ])
  return { pipeline, applied, devices }
}

type Buckets = Awaited<ReturnType<typeof openBuckets>>

/** What the buckets hold, kept up to date by following them. */
const followBuckets = async ({ log, stack }: Context, { source }: Servers, kv: Buckets, look: Look) => {
  const told = (work: Promise<void>): void => void work.catch((error) => log.warn(messageOf(error)))
  const known = {
    claims: new Claims(kv.pipeline),
    documents: new Documents(kv.pipeline, FLEET_DOCUMENTS),
    rules: new Documents(kv.pipeline, RULE_DOCUMENTS),
    applied: new AppliedIndex((fleet, news) => told(lookAtNews(source, look, fleet, news))),
    devices: new DeviceIndex((fleet) => look('DeviceFleet', fleet, SETTLE_MS.conditions)),
  }
  const { claims, documents, rules, applied, devices } = known
  const onPut = (key: string, value: Uint8Array, revision: number): void => {
    claims.onPut(key, value)
    documents.onPut(key, value, revision)
    rules.onPut(key, value, revision)
  }
  const onDelete = (key: string): void => {
    for (const one of [claims, documents, rules]) one.onDelete(key)
    lookAtOwner(look, key)
    told(lookAtConflicts(source, look))
  }
  stack.use(await followBucket({ kv: kv.pipeline, log, onPut, onDelete }))
  const onReport = (key: string, value: Uint8Array) => applied.onPut(key, value)
  stack.use(await followBucket({ kv: kv.applied, log, onPut: onReport, onDelete: (key) => applied.onDelete(key) }))
  stack.use(await followDevices({ kv: kv.devices, log, onDevice: ({ record }) => devices.put(record) }))
  return known
}

const readKeys = async ({ platformKeyFile, platformKeyPreviousFile }: Config) => {
  const platformKey = await readFile(platformKeyFile)
  const previous = platformKeyPreviousFile === undefined ? undefined : await readFile(platformKeyPreviousFile)
  return { platformKey, keys: sealKeys(platformKey, previous) }
}

export type ResourceDeps = {
  readonly fleets: FleetDeps
  readonly rules: Omit<RuleDeps, 'check'>
}

/** Everything that fleets and rules need; `look` is told which of them to look at again. */
export const resourceDeps = async (context: Context, servers: Servers, look: Look): Promise<ResourceDeps> => {
  const { config, registry: metrics, stack } = context
  const names = namesOf(config.installation)
  const { nats, broker, source, secrets } = servers
  const kv = await openBuckets(nats, names)
  const { rules, ...known } = await followBuckets(context, servers, kv, look)
  const { platformKey, keys } = await readKeys(config)
  const grants = parseGrants(config.sharedPrefix)
  const bounds = { messages: config.brokerQueueMessages, bytes: config.brokerQueueBytes }
  const own = {
    accounts: accountList(broker, Date.now),
    passwordOf: (user: string) => sessionPassword(platformKey, user),
  }
  const fleets: FleetDeps = {
    ...servers,
    ...known,
    ...own,
    names,
    grants,
    catalog: new Catalog(servers.database, names.ownershipTable),
    events: eventsTables(durationMs(config.eventsTtl)),
    drains: new DrainWatch(nats.js, Date.now),
    appliedBucket: kv.applied,
    registry: new Registry({ kv: kv.devices, jsm: nats.jsm, bucket: names.buckets.devices }),
    queue: stack.use(watchBrokerQueue(broker, bounds, { registry: metrics, now: Date.now })),
    forecasts: new Map(),
    now: Date.now,
  }
  const rulesOnly = {
    ...{ nats, names, grants, source, secrets, keys, documents: rules, applied: known.applied, now: Date.now },
    alerter: new AlerterAccount({ ...own, names, documents: rules }),
    conflict: (fleet: Ref, filters: readonly string[]) => known.claims.conflictOf(fleet, filters)?.message,
    history: { fault: undefined },
  }
  return { fleets, rules: rulesOnly }
}
