/** What every step of a fleet's reconcile shares: the servers, the indexes kept by following buckets, and one read of the document. */
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import type { Names } from '@fleetloom/crds/names'
import type { Grant } from '@fleetloom/crds/topics'
import type { Broker } from '@fleetloom/shared/broker/broker'
import type { Nats } from '@fleetloom/shared/nats'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Registry } from '@fleetloom/shared/registry/registry'
import type { KV } from '@nats-io/kv'
import type { Work } from '../loop/kind.ts'
import type { Source } from '../source/source.ts'
import type { AccountList } from '../targets/broker/account-list.ts'
import type { SessionPassword } from '../targets/broker/sessions.ts'
import type { Catalog } from '../targets/database/catalog.ts'
import type { Forecast } from '../targets/forecast.ts'
import type { AppliedIndex } from '../targets/pipeline/applied-index.ts'
import type { Claims } from '../targets/pipeline/claims.ts'
import { compile } from '../targets/pipeline/compile.ts'
import type { Documents, Stored } from '../targets/pipeline/documents.ts'
import type { DrainWatch } from '../targets/pipeline/drained.ts'
import type { StreamLevel } from '../targets/stream/filling.ts'
import type { BrokerQueue } from './backlog.ts'
import type { DeviceIndex } from './device-index.ts'
import type { EventsTables } from './events-table.ts'

export type FleetDeps = {
  readonly names: Names
  readonly grants: readonly Grant[]
  readonly source: Pick<Source, 'refusals' | 'list'>
  readonly nats: Nats
  readonly catalog: Catalog
  readonly events: EventsTables
  readonly broker: Broker
  readonly accounts: AccountList
  readonly passwordOf: SessionPassword
  readonly documents: Documents<FleetDocument>
  readonly claims: Claims
  readonly drains: DrainWatch
  readonly applied: AppliedIndex
  /** The applied bucket, to clear a removed fleet's reports. */
  readonly appliedBucket: KV
  readonly devices: DeviceIndex
  readonly registry: Registry
  readonly queue: BrokerQueue
  /** How each fleet's stream fills, by the fleet's label. */
  readonly forecasts: Map<string, Forecast>
  readonly now: () => number
}

export type FleetFacts = {
  /** The document as it should be in the end, all grants given. */
  readonly want: FleetDocument
  /** What stands in the pipeline bucket, once a step has read it; moves on as steps write it. */
  stored: Stored<FleetDocument> | undefined
  /** How many sessions the broker has accounts for, once a step has read it: up to the highest number. */
  sessionAccounts: number
  /** How full the stream is, once a step has read it. */
  level: StreamLevel | undefined
}

export type FleetWork = Work<DeviceFleetSpec>

/** Reads nothing, so that what can be told is told while NATS is away. */
export const gatherFacts =
  ({ names }: FleetDeps) =>
  async ({ resource }: FleetWork): Promise<FleetFacts> => ({
    want: compile(resource, names),
    stored: undefined,
    sessionAccounts: 0,
    level: undefined,
  })
