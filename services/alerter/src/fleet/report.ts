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
  /** Why a rule can't be judged, by its UID. */
  readonly faults: ReadonlyMap<string, string>
  /** Messages that the stream gave up unread. */
  readonly missed: number
}

const ruleReportOf = (counts: RuleCounts, refused: string | undefined): RuleReport => {
  const { uid, generation, firing, pending, lastEvaluatedMicros, message } = counts
  const fault = refused ?? message
  const evaluatedMs = Math.floor(lastEvaluatedMicros / 1000 / EVALUATED_STEP_MS) * EVALUATED_STEP_MS
  return {
    ...{ uid, generation, firing, pending },
    ...(evaluatedMs > 0 && { lastEvaluatedMs: evaluatedMs }),
    ...(fault !== undefined && { fault: fault.slice(0, MAX_FAULT) }),
  }
}

/** What a shard tells the operator. */
export const reportOf = (
  engine: Pick<ShardEngine, 'counts' | 'online' | 'known'>,
  { uid, generation, faults, missed }: Circumstances,
): AppliedState => ({
  ...{ uid, generation },
  state: 'Evaluating',
  observed:
    missed === 0
      ? []
      : [
          {
            type: 'AlertsBlind',
            message: `alert rules never saw ${missed} messages: the stream needed the room before they were read; give the alerter more CPU, or the fleet a larger stream.maxBytes`,
          },
        ],
  devices: { online: engine.online, known: engine.known },
  rules: engine
    .counts()
    .slice(0, MAX_REPORTED_RULES)
    .map((counts) => ruleReportOf(counts, faults.get(counts.uid))),
})
