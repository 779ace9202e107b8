import type { Names } from '@fleetloom/crds/names'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { Nats } from '@fleetloom/shared/nats'
import type { AppliedReporter } from '@fleetloom/shared/pipeline/applied'
import type { Logger } from '@fleetloom/shared/process/logger'
import type { CheckpointStore } from '../checkpoint/store.ts'
import type { AlerterMetrics } from '../metrics.ts'

/** What the fleets of one process share. */
export type AlerterParts = {
  readonly nats: Nats
  readonly names: Names
  readonly checkpoints: CheckpointStore
  readonly outbox: {
    /** Resolves when the transition is in the alert stream. */
    send(one: Transition): Promise<void>
    /** Resolves when there is room for more. */
    room(): Promise<void>
  }
  readonly reporter: AppliedReporter
  readonly metrics: AlerterMetrics
  readonly log: Logger
  /** Time between checkpoints of a shard that takes readings, ms. */
  readonly checkpointMs: number
}
