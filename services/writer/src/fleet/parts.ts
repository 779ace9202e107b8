import type { Ref } from '@fleetloom/crds/names'
import type { Bounded } from '@fleetloom/shared/bounded'
import type { Nats } from '@fleetloom/shared/nats'
import type { AppliedReporter } from '@fleetloom/shared/pipeline/applied'
import type { Logger } from '@fleetloom/shared/process/logger'
import type { Tracing } from '@fleetloom/shared/process/tracing'
import type { Answer, Target } from '@fleetloom/shared/questdb/answer'
import type { WriterMetrics } from '../metrics.ts'

/** What the fleets of one process share. */
export type WriterParts = {
  readonly nats: Nats
  /** Writes rows of one table as one transaction; waits its turn among the requests of the process. */
  readonly write: (bodies: readonly Uint8Array[], target: Target) => Promise<Answer>
  /** Gives up the connections to the database, which may know a table that is no more. */
  readonly renew: () => void
  /** UID of a fleet as it stands in the pipeline bucket now. */
  readonly currentUid: (fleet: Ref) => Promise<string | undefined>
  /** Bound of the bytes in memory. */
  readonly memory: Bounded
  readonly reporter: AppliedReporter
  readonly metrics: WriterMetrics
  readonly tracing: Tracing
  readonly log: Logger
}
