/** What every step of a rule's reconcile shares. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import type { Names, Ref } from '@fleetloom/crds/names'
import type { Grant } from '@fleetloom/crds/topics'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { SealKeys } from '@fleetloom/shared/alerts/seal'
import type { Nats } from '@fleetloom/shared/nats'
import type { Work } from '../loop/kind.ts'
import type { SecretReader } from '../source/secrets.ts'
import type { Metadata, Resource, Source } from '../source/source.ts'
import type { AlerterAccount } from '../targets/broker/alerter-account.ts'
import type { AppliedIndex } from '../targets/pipeline/applied-index.ts'
import type { Documents } from '../targets/pipeline/documents.ts'
import type { RuleCheck } from './check.ts'
import type { Shards } from './reports.ts'
import type { Conflict } from './topics.ts'

/** Whether what alerts leave behind can be kept. */
export type History = {
  /** What is wrong with the stream or the table of alerts, and what to do. */
  fault: string | undefined
}

export type RuleDeps = {
  readonly names: Names
  readonly grants: readonly Grant[]
  readonly source: Pick<Source, 'get' | 'list' | 'refusals'>
  readonly documents: Documents<RuleDocument>
  readonly applied: Pick<AppliedIndex, 'shardsOf'>
  readonly alerter: AlerterAccount
  readonly keys: SealKeys
  readonly secrets: SecretReader
  readonly check: RuleCheck
  readonly conflict: Conflict
  readonly history: History
  readonly nats: Pick<Nats, 'jsm'>
  /** Wall clock, ms. */
  readonly now: () => number
}

export type RuleFacts = {
  /** The rule's fleet as it is known now; undefined while there is none. */
  readonly fleet: Resource<DeviceFleetSpec> | undefined
  /** Why receivers were left out, once a step has read their secrets. */
  unreadable: readonly string[]
  /** Filters for which the alerter's account has no room, once a step has asked. */
  crowded: readonly string[]
}

export type RuleWork = Work<AlertRuleSpec>

/** The fleet that a rule names. */
export const fleetOf = ({
  metadata,
  spec,
}: {
  readonly metadata: Pick<Metadata, 'namespace'>
  readonly spec: Pick<AlertRuleSpec, 'fleet'>
}): Ref => ({
  namespace: metadata.namespace,
  name: spec.fleet,
})

/** Reads what is held in memory only. */
export const gatherFacts =
  ({ source }: Pick<RuleDeps, 'source'>) =>
  async ({ resource }: RuleWork): Promise<RuleFacts> => ({
    fleet: (await source.get('DeviceFleet', fleetOf(resource))) as Resource<DeviceFleetSpec> | undefined,
    unreadable: [],
    crowded: [],
  })

/** Reports of the alerter about the rule's fleet. */
export const shardsOf = ({ applied }: Pick<RuleDeps, 'applied'>, { fleet }: Pick<RuleFacts, 'fleet'>): Shards =>
  fleet ? applied.shardsOf(fleet.metadata, fleet.spec.stream.shards) : []
