import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { AppliedState } from '@fleetloom/shared/pipeline/applied'
import type { RuleReport } from '@fleetloom/shared/pipeline/applied-document'
import { MAX_REPORTED_RULES } from '@fleetloom/shared/pipeline/applied-document'
import type { RuleCounts, ShardEngine } from '@fleetloom/shared/rules/engine/engine'

/** Reports are written when they change: the time of the last judgement is told by the minute. */
const EVALUATED_STEP_MS = 60_000
const MAX_FAULT = 1024

export type Circumstances = {
  readonly uid: string
  readonly generation: number
  /** Those that the shard was told of. */
  readonly rules: Iterable<RuleDocument>
  /** Why a rule can't be judged, by its UID. */
  readonly faults: ReadonlyMap<string, string>
  /** Messages, at most, that left the stream unread, lately. */
  readonly missed: number
}

const NEVER_JUDGED = { firing: 0, pending: 0, lastEvaluatedMicros: 0, message: undefined } as const

/** A rule that is suspended or that can't be judged is reported too: it was taken notice of. */
const ruleReportOf = (
  { uid, generation }: RuleDocument,
  counts: Pick<RuleCounts, keyof typeof NEVER_JUDGED> | undefined,
  refused: string | undefined,
): RuleReport => {
  const { firing, pending, lastEvaluatedMicros, message } = counts ?? NEVER_JUDGED
  const fault = refused ?? message
  const evaluatedMs = Math.floor(lastEvaluatedMicros / 1000 / EVALUATED_STEP_MS) * EVALUATED_STEP_MS
  return {
    ...{ uid, generation, firing, pending },
    ...(evaluatedMs > 0 && { lastEvaluatedMs: evaluatedMs }),
    ...(fault !== undefined && { fault: fault.slice(0, MAX_FAULT) }),
  }
}

const rulesOf = (engine: Pick<ShardEngine, 'counts'>, { rules, faults }: Circumstances): RuleReport[] => {
  const counts = new Map(engine.counts().map((one) => [one.uid, one]))
  return [...rules]
    .slice(0, MAX_REPORTED_RULES)
    .map((rule) => ruleReportOf(rule, counts.get(rule.uid), faults.get(rule.uid)))
}

const blindText = (missed: number): string =>
  `alert rules never saw up to ${missed} messages: they left the stream before they were read. If stream.keep is 0s or short, raise it: what came since the last checkpoint is gone when the alerter restarts. Else give the fleet a larger stream.maxBytes, or the alerter more CPU`

/** What a shard tells the operator. */
export const reportOf = (
  engine: Pick<ShardEngine, 'counts' | 'online' | 'known'>,
  circumstances: Circumstances,
): AppliedState => ({
  uid: circumstances.uid,
  generation: circumstances.generation,
  state: 'Evaluating',
  observed:
    circumstances.missed === 0
      ? []
      : [
          {
            type: 'AlertsBlind',
            message: blindText(circumstances.missed),
          },
        ],
  devices: { online: engine.online, known: engine.known },
  rules: rulesOf(engine, circumstances),
})
