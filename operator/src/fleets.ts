/** The fleet controller's surroundings: servers, followed buckets, and the triggers that make progress immediate. */
import { readFile } from 'node:fs/promises'
import { type Names, namesOf, type Ref } from '@fleetloom/crds/names'
import { parseGrants } from '@fleetloom/crds/topics'
import { durationMs } from '@fleetloom/crds/units'
import type { Broker } from '@fleetloom/shared/broker/broker'
import { sessionPassword } from '@fleetloom/shared/broker/session-password'
import type { Nats } from '@fleetloom/shared/nats'
import { followBucket } from '@fleetloom/shared/pipeline/follow-bucket'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { ProcessContext } from '@fleetloom/shared/process/run'
import { followDevices } from '@fleetloom/shared/registry/follow'
import { Registry } from '@fleetloom/shared/registry/registry'
import type { Config } from './config.ts'
import { watchBrokerQueue } from './device-fleet/backlog.ts'
import { DeviceIndex } from './device-fleet/device-index.ts'
import { eventsTables } from './device-fleet/events-table.ts'
import type { FleetDeps } from './device-fleet/facts.ts'
import type { Source } from './source/source.ts'
import { accountList } from './targets/broker/account-list.ts'
import { Catalog } from './targets/database/catalog.ts'
import type { Questdb } from './targets/database/questdb-http.ts'
import { AppliedIndex } from './targets/pipeline/applied-index.ts'
import { Claims } from './targets/pipeline/claims.ts'
import { Documents } from './targets/pipeline/documents.ts'
import { DrainWatch } from './targets/pipeline/drained.ts'
import { ensurePlatform } from './targets/stream/platform.ts'

type Context = ProcessContext<Config>

export const readSecret = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim()

/** What no single fleet owns: buckets, dead letters, the broker's defaults. What is away is tried again at the next resync. */
export const ensureSurroundings = async ({ nats, broker, names, log }: Surroundings): Promise<void> => {
  const work = [() => ensurePlatform(nats, names), () => broker.secureDefaults()]
  for (const ensure of work)
    try {
      for (const change of await ensure()) log.warn(change)
    } catch (error) {
      log.warn(messageOf(error))
    }
}

type Surroundings = Pick<Servers, 'nats' | 'broker'> & { readonly names: Names; readonly log: Logger }
export type Servers = {
  readonly source: Source
  readonly nats: Nats
  readonly broker: Broker
  readonly database: Questdb
}

/** A topic that was freed may be what another fleet waits for. */
const lookAtConflicts = async (source: Source, onChange: (fleet: Ref) => void): Promise<void> => {
  for (const { metadata, status } of await source.list('DeviceFleet'))
    if (status?.conditions.some(({ reason }) => reason === 'TopicConflict')) onChange(metadata)
}

/** Everything a fleet needs; `onChange` is told which fleet to look at again. */
export const fleetDeps = async (
  { config, log, registry: metrics, stack }: Context,
  servers: Servers,
  onChange: (fleet: Ref) => void,
): Promise<FleetDeps> => {
  const names = namesOf(config.installation)
  const { nats, broker } = servers
  const [pipeline, applied, devices] = await Promise.all(
    [names.buckets.pipeline, names.buckets.applied, names.buckets.devices].map((bucket) => nats.bucket(bucket)),
  )
  if (!pipeline || !applied || !devices) throw new Error('a bucket could not be opened')
  const [claims, documents] = [new Claims(pipeline), new Documents(pipeline)]
  const appliedIndex = new AppliedIndex(onChange)
  const deviceIndex = new DeviceIndex(onChange)
  const platformKey = await readFile(config.platformKeyFile)
  const bounds = { messages: config.brokerQueueMessages, bytes: config.brokerQueueBytes }
  const onPut = (key: string, value: Uint8Array, revision: number): void => {
    claims.onPut(key, value)
    documents.onPut(key, value, revision)
  }
  const onDelete = (key: string): void => {
    claims.onDelete(key)
    documents.onDelete(key)
    lookAtConflicts(servers.source, onChange).catch((error) => log.warn(messageOf(error)))
  }
  stack.use(await followBucket({ kv: pipeline, log, onPut, onDelete }))
  const onReport = (key: string, value: Uint8Array) => appliedIndex.onPut(key, value)
  stack.use(await followBucket({ kv: applied, log, onPut: onReport, onDelete: (key) => appliedIndex.onDelete(key) }))
  stack.use(await followDevices({ kv: devices, log, onDevice: ({ record }) => deviceIndex.put(record) }))
  return {
    ...servers,
    names,
    catalog: new Catalog(servers.database, names.ownershipTable),
    events: eventsTables(durationMs(config.eventsTtl)),
    grants: parseGrants(config.sharedPrefix),
    accounts: accountList(broker, Date.now),
    passwordOf: (user) => sessionPassword(platformKey, user),
    documents,
    claims,
    drains: new DrainWatch(nats.js, Date.now),
    applied: appliedIndex,
    appliedBucket: applied,
    devices: deviceIndex,
    registry: new Registry({ kv: devices, jsm: nats.jsm, bucket: names.buckets.devices }),
    queue: stack.use(watchBrokerQueue(broker, bounds, { registry: metrics, now: Date.now })),
    forecasts: new Map(),
    now: Date.now,
  }
}
