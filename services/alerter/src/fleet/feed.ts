/** What a message of the stream is to the parts of a shard. */
import { batchInfo } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { ShardEngine } from '@fleetloom/shared/rules/engine/engine'
import type { JsMsg } from '@nats-io/jetstream'
import type { Counting } from './counting.ts'
import { engineMessage } from './message.ts'
import type { Missed } from './missed.ts'
import type { RowOutcomes } from './row-outcomes.ts'

export type Fed = {
  readonly engine: ShardEngine
  readonly counting: Counting
  readonly missed: Missed
  readonly outcomes: RowOutcomes
}

/** Gives the parts a message of the shard's telemetry or of the fleet's events, unless it is of another fleet. Tells whether it has rows. */
export const feed = ({ engine, counting, missed, outcomes }: Fed, fleet: FleetDocument, message: JsMsg): boolean => {
  const info = batchInfo(message.headers)
  if (info?.uid !== fleet.uid) return false
  const one = engineMessage(message, info)
  if (message.subject === fleet.stream.eventsSubject) {
    engine.takeEvents(one)
    counting.take(one)
  } else engine.take(one)
  outcomes.tell(engine.rowCounts)
  if (one.progress) {
    counting.advance(one.progress.ms)
    missed.advance(one.progress.ms)
  }
  return info.rows > 0
}
