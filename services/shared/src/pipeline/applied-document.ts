/**
 * What a data-plane service reports back: the value under `ingest.<ns>.<name>.<session>` and `writer.<ns>.<name>.0` in the
 * applied bucket, written by the replica that owns the fleet when something changed, at most every few seconds.
 */
import { OBSERVED_CONDITIONS } from '@fleetloom/crds/conditions'
import { z } from 'zod'

export const appliedDocument = z.object({
  version: z.string(),
  replica: z.string(),
  uid: z.string(),
  /** Generation of the fleet document in force. */
  generation: z.number().int(),
  /**
   * ingest: `Subscribed` after the SUBACK for that generation; `Drained` once the broker holds nothing more for a draining
   * fleet, its last batch has its PubAck and its session is ended. writer: `Following`.
   */
  state: z.enum(['Subscribed', 'Drained', 'Following']),
  /** Wall clock of the report, ms since the epoch. */
  atMs: z.number(),
  /** What the service saw and the fleet's conditions should say; the message is shown as it is. */
  observed: z.array(z.object({ type: z.enum(OBSERVED_CONDITIONS), message: z.string().max(1024) })).max(16),
})

export type AppliedDocument = z.infer<typeof appliedDocument>
export type Observation = AppliedDocument['observed'][number]
