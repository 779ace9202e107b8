/**
 * What a data-plane service reports back: the value under `ingest.<ns>.<name>.<session>`, `writer.<ns>.<name>.0` and
 * `alerter.<ns>.<name>.<shard>` in the applied bucket, written by the replica that owns the fleet when something changed, at most every few seconds.
 */
import { OBSERVED_CONDITIONS } from '@fleetloom/crds/conditions'
import { z } from 'zod'

/** Rules that a fleet may have. Judging, and what comes and goes, costs each device of the fleet as much as there are rules. */
export const MAX_RULES_PER_FLEET = 200

/** Rules of one fleet that a report can speak of: also those of an operator that allowed more. */
export const MAX_REPORTED_RULES = 1000

/** What a shard of the alerter knows of one rule. */
export const ruleReport = z.object({
  /** UID of the rule, and the generation of its document in force. */
  uid: z.string(),
  generation: z.number().int(),
  /** Devices of this shard. */
  firing: z.number().int().min(0),
  pending: z.number().int().min(0),
  /** When the rule was last judged for a device of this shard, ms since the epoch; absent before the first time. */
  lastEvaluatedMs: z.number().optional(),
  /** The rule's document says Removing, and the shard judges it no more. */
  removed: z.literal(true).optional(),
  /** Why it can't be judged; shown as it is. */
  fault: z.string().max(1024).optional(),
})

export const appliedDocument = z.object({
  version: z.string(),
  replica: z.string(),
  uid: z.string(),
  /** Generation of the fleet document in force. */
  generation: z.number().int(),
  /**
   * ingest: `Subscribed` after the SUBACK for that generation; `Drained` once the broker holds nothing more for a draining
   * fleet, its last batch has its PubAck and its session is ended. writer: `Following`. alerter: `Evaluating`.
   */
  state: z.enum(['Subscribed', 'Drained', 'Following', 'Evaluating']),
  /** Wall clock of the report, ms since the epoch. */
  atMs: z.number(),
  /** What the service saw and the fleet's conditions should say; the message is shown as it is. */
  observed: z.array(z.object({ type: z.enum(OBSERVED_CONDITIONS), message: z.string().max(1024) })).max(16),
  /** alerter: devices of this shard. */
  devices: z.object({ online: z.number().int().min(0), known: z.number().int().min(0) }).optional(),
  /** alerter: how many Alertmanagers it tells. */
  alertmanagers: z.number().int().min(0).optional(),
  /** alerter: the rules that it judges for this shard. */
  rules: z.array(ruleReport).max(MAX_REPORTED_RULES).optional(),
})

export type RuleReport = z.infer<typeof ruleReport>
export type AppliedDocument = z.infer<typeof appliedDocument>
export type Observation = AppliedDocument['observed'][number]
