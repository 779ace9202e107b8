/** What the shards of the alerter say of one rule, together. Pure. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { AppliedDocument, RuleReport } from '@fleetloom/shared/pipeline/applied-document'
import type { Observed } from '../loop/kind.ts'
import type { Status } from '../source/source.ts'

/** Reports by shard of the fleet; undefined where there is none. Without a fleet there are no shards. */
export type Shards = readonly (AppliedDocument | undefined)[]

type Shown = Pick<Status, 'firing' | 'pending' | 'lastEvaluated'>

const ofRule = (shards: Shards, uid: string): readonly (RuleReport | undefined)[] =>
  shards.map((report) => report?.rules?.find((rule) => rule.uid === uid))

/** Shards, by number, that do not judge this generation of the rule yet. */
export const shardsBehind = (shards: Shards, { uid, generation }: Pick<RuleReport, 'uid' | 'generation'>): number[] =>
  ofRule(shards, uid).flatMap((rule, shard) => (rule && rule.generation >= generation ? [] : [shard]))

/** Whether any shard speaks of the rule. */
export const isReported = (shards: Shards, uid: string): boolean =>
  ofRule(shards, uid).some((rule) => rule !== undefined)

/** Shards, by number, that have not said yet that they judge the rule no more. */
export const shardsJudging = (shards: Shards, uid: string): number[] =>
  ofRule(shards, uid).flatMap((rule, shard) => (rule?.removed ? [] : [shard]))

/** Why the rule can't be judged, as the first shard that can't says it. */
export const faultOf = (shards: Shards, uid: string): string | undefined =>
  ofRule(shards, uid).find((rule) => rule?.fault !== undefined)?.fault

const NO_ALERTMANAGER =
  'notify names the Alertmanager of the platform, and it has none: nobody hears of the alerts there. Name it to the alerter (ALERTMANAGER_URLS, alerter.alertmanagerUrls of the chart), or take it out of notify'

/** What a rule's receivers lack that is the platform's to give. */
export const missingReceivers = ({ notify }: Pick<AlertRuleSpec, 'notify'>, shards: Shards): readonly Observed[] => {
  const isMissing = notify.some(({ alertmanager }) => alertmanager) && shards.some((one) => one?.alertmanagers === 0)
  return isMissing ? [{ type: 'ReceiverMissing', message: NO_ALERTMANAGER }] : []
}

/** Time of judging alone is news once a minute. */
const FRESH_MS = 60_000

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** When it was last judged, as long as `previous` is too old to go on saying. */
const lastEvaluated = (reports: readonly RuleReport[], previous: Shown | undefined, isNews: boolean) => {
  const latestMs = Math.max(...reports.flatMap(({ lastEvaluatedMs }) => lastEvaluatedMs ?? []))
  if (!Number.isFinite(latestMs)) return previous?.lastEvaluated
  const saidMs = Date.parse(previous?.lastEvaluated ?? '')
  const keeps = !isNews && Math.abs(latestMs - saidMs) < FRESH_MS
  return keeps ? previous?.lastEvaluated : new Date(latestMs).toISOString()
}

const NONE = { firing: 0, pending: 0 } as const

/** What the status shows of the rule: the shards' numbers added up; what it showed before while no shard says anything; none without a fleet. */
export const shownOf = (shards: Shards, uid: string, previous: Shown | undefined): Shown => {
  if (shards.length === 0) return { ...kept(previous), ...NONE }
  const reports = ofRule(shards, uid).filter((rule) => rule !== undefined)
  if (reports.length === 0) return kept(previous)
  const counts = { firing: sum(reports.map((one) => one.firing)), pending: sum(reports.map((one) => one.pending)) }
  const isNews = previous?.firing !== counts.firing || previous.pending !== counts.pending
  const at = lastEvaluated(reports, previous, isNews)
  return { ...counts, ...(at !== undefined && { lastEvaluated: at }) }
}

const kept = (previous: Shown | undefined): Shown => ({
  ...(previous?.firing !== undefined && { firing: previous.firing }),
  ...(previous?.pending !== undefined && { pending: previous.pending }),
  ...(previous?.lastEvaluated !== undefined && { lastEvaluated: previous.lastEvaluated }),
})
