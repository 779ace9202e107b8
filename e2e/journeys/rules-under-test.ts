/** Rules as tests write them, and a stand-in for the alerter's reports about them. */
import { appliedKey, type Ref } from '@fleetloom/crds/names'
import { parseRuleDocument, type RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { Nats } from '@fleetloom/shared/nats'
import type { AppliedDocument } from '@fleetloom/shared/pipeline/applied-document'

type RuleManifest = {
  readonly rule: Ref
  readonly fleet?: string
  readonly when?: string
  readonly spec?: Readonly<Record<string, unknown>>
}

export const ruleYaml = ({
  rule: { namespace, name },
  fleet = 'reefers',
  when = 'last(temperature) > 8.0',
  spec = {},
}: RuleManifest): string =>
  JSON.stringify({
    apiVersion: 'fleetloom.io/v1alpha1',
    kind: 'AlertRule',
    metadata: { namespace, name },
    spec: { fleet, when, ...spec },
  })

/** The document of a rule as it stands in the pipeline bucket; undefined when there is none. */
export const ruleDocument = async (nats: Nats, { namespace, name }: Ref): Promise<RuleDocument | undefined> => {
  const entry = await (await nats.bucket('fleetloom-pipeline')).get(`rule.${namespace}.${name}`)
  if (entry?.operation !== 'PUT') return undefined
  const parsed = parseRuleDocument(entry.value)
  if ('error' in parsed) throw new Error(parsed.error)
  return parsed.ok
}

type ShardReport = Required<Pick<AppliedDocument, 'devices' | 'rules'>>

/** Says what an alerter would say of a shard. */
export const reportShard = async (
  nats: Nats,
  fleet: Ref & { readonly uid: string },
  shard: number,
  report: ShardReport,
): Promise<void> => {
  const document: AppliedDocument = {
    ...{ version: '1.0', replica: 'alerter-0', uid: fleet.uid, generation: 1, state: 'Evaluating' },
    ...{ atMs: Date.now(), observed: [] },
    ...report,
  }
  await (await nats.bucket('fleetloom-applied')).put(appliedKey('alerter', fleet, shard), JSON.stringify(document))
}
