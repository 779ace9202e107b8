/**
 * Replay of an `mqtt` dead letter: a core NATS request on `names.replaySubject(fleet)`, answered by the ingest replica that
 * owns the fleet once the outcome is durable. The request's headers are `deadLetterHeaders`, its body the payload; the
 * answer is JSON. Ingest treats it as if it arrived at `arrivalMs`, makes no second dead letter and writes to no device.
 */
import { z } from 'zod'

export const replayOutcome = z.object({
  /** `stored`: in the stream (its PubAck is in). `rejected`: still unusable, for `reason`. */
  outcome: z.enum(['stored', 'rejected', 'would_store']),
  reason: z.string().optional(),
  field: z.string().optional(),
  detail: z.string().optional(),
})

export type ReplayOutcome = z.infer<typeof replayOutcome>

/** Header that asks only what would happen. */
export const DRY_RUN_HEADER = 'Fleetloom-Dry-Run'
