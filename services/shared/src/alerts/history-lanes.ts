/** Names of what stands for how far the history has come: a consumer of the alert stream, and a cursor in the alerts' bucket. */
import { ALERT_PARTITIONS } from './transition.ts'

/** The durable consumer that brings a partition's transitions into the history. */
export const historyLane = (partition: number): string => `history-${partition}`

export const HISTORY_LANES: readonly string[] = Array.from({ length: ALERT_PARTITIONS }, (_, one) => historyLane(one))

/** Key of a consumer's cursor. A cursor that was deleted asks for the stream from its beginning. */
export const cursorKey = (durable: string): string => `cursor.${durable}`
