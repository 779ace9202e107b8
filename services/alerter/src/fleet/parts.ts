import type { Names, Ref } from '@fleetloom/crds/names'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { Nats } from '@fleetloom/shared/nats'
import type { AppliedReporter } from '@fleetloom/shared/pipeline/applied'
import type { Logger } from '@fleetloom/shared/process/logger'
import type { Ports } from '@fleetloom/shared/rules/engine/ports'
import type { CheckpointStore } from '../checkpoint/store.ts'
import type { FleetMetrics } from '../metrics.ts'
import type { Sender } from './sender.ts'

/** What the fleets of one process share. */
export type AlerterParts = {
  readonly nats: Nats
  readonly names: Names
  readonly ports: Ports
  readonly checkpoints: Pick<CheckpointStore, 'take' | 'write' | 'untilLetGo' | 'remove' | 'list'>
  /** The last transition of everything of some devices of a fleet that still fires. */
  readonly stillFiring: (fleet: Ref, isWanted: (device: string) => boolean) => Promise<readonly Transition[]>
  readonly sender: Pick<Sender, 'send'>
  readonly reporter: AppliedReporter
  readonly metrics: FleetMetrics
  readonly log: Logger
  /** Time between checkpoints of a shard that takes readings, ms. */
  readonly checkpointMs: number
  /** How many Alertmanagers hear of alerts. */
  readonly alertmanagers: number
}
