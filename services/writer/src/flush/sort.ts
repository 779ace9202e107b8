import type { BatchInfo } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Delivered } from '../stream/delivered.ts'

export type Batch = { readonly message: Delivered; readonly info: BatchInfo }

export type Sorted = {
  /** Readings, to be written. */
  readonly readings: Batch[]
  /** Events, to be written: they go to a table of their own. */
  readonly events: Batch[]
  /** Without rows: nothing to write. */
  readonly empty: Delivered[]
  /** Made for another fleet of the same name, or by nobody we know. */
  readonly foreign: Delivered[]
  /** Made for a generation whose document is still on its way to us. */
  readonly early: Delivered[]
}

const NO_UID = ''

/** UID of the fleet a message was made for; '' when it doesn't say. */
export const uidOf = (message: Delivered): string => message.info?.uid ?? NO_UID

const batchesOf = (sorted: Sorted, { subject }: Delivered, { stream }: FleetDocument): Batch[] =>
  subject === stream.eventsSubject ? sorted.events : sorted.readings

/** Parts the messages of a fleet by what is to be done with them. */
export const sortMessages = (messages: readonly Delivered[], document: FleetDocument): Sorted => {
  const sorted: Sorted = { readings: [], events: [], empty: [], foreign: [], early: [] }
  for (const message of messages) {
    const { info } = message
    if (info?.uid !== document.uid) sorted.foreign.push(message)
    else if (info.generation > document.generation) sorted.early.push(message)
    else if (message.body.length === 0) sorted.empty.push(message)
    else batchesOf(sorted, message, document).push({ message, info })
  }
  return sorted
}

/** Runs of batches with at most `maxRows` rows each; a batch is never split, so one that is larger goes alone. */
export const cutByRows = (batches: readonly Batch[], maxRows: number): Batch[][] => {
  const runs: Batch[][] = []
  let rows = Number.POSITIVE_INFINITY
  for (const batch of batches) {
    rows += batch.info.rows
    if (rows > maxRows) {
      runs.push([])
      rows = batch.info.rows
    }
    runs.at(-1)?.push(batch)
  }
  return runs
}
