/**
 * Writes what was collected and acknowledges it, message by message, only after its rows are in the database or in the dead-letter
 * stream. Whatever can't be settled now is given back to the stream, and the memory with it: a database that is away for hours then
 * costs neither memory nor redeliveries, and one fleet's missing table holds nothing that another fleet needs.
 */

import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { Answer, Target } from '@fleetloom/shared/questdb/answer'
import type { Delivered } from '../stream/delivered.ts'
import type { Letter } from './dead-letters.ts'
import { foreignLetter, rowLetter } from './dead-letters.ts'
import { land, type Rejected } from './land.ts'
import { type Batch, cutByRows, type Sorted, sortMessages, uidOf } from './sort.ts'
import { eventsTarget, readingsTarget } from './target.ts'

export type FlushTools = {
  readonly write: (bodies: readonly Uint8Array[], target: Target) => Promise<Answer>
  /** Resolves once the dead-letter stream has them. */
  readonly setAside: (letters: readonly Letter[]) => Promise<void>
  /** UID of the fleet as it stands in the pipeline bucket now; undefined when it is gone. */
  readonly currentUid: () => Promise<string | undefined>
}

export type Flushed = {
  readonly rows: number
  readonly bytes: number
  readonly rejected: readonly Rejected[]
  readonly foreign: number
  /** Traceparents of sampled messages among the rows. */
  readonly links: readonly string[]
  /** Why something was given back; undefined when all is settled. */
  readonly unsettled?: string
}

type Tally = { rows: number; bytes: number; rejected: Rejected[]; foreign: number; links: string[] }

const giveBack = (messages: readonly Delivered[]): void => {
  for (const message of messages) message.nak()
}

const settle = (messages: readonly Delivered[]): void => {
  for (const message of messages) message.ack()
}

const messagesOf = (batches: readonly Batch[]): Delivered[] => batches.map(({ message }) => message)

/** A document can be older than the batches, when a fleet was made anew: only what is foreign to the current one as well is refused. */
const refuseForeign = async (
  { foreign }: Sorted,
  document: FleetDocument,
  tools: FlushTools,
  tally: Tally,
): Promise<string | undefined> => {
  if (foreign.length === 0) return undefined
  const uid = await tools.currentUid()
  if (uid !== undefined && foreign.some((message) => uidOf(message) === uid)) {
    return 'the document of the new fleet is on its way'
  }
  await tools.setAside(foreign.map((message) => foreignLetter(document, message)))
  settle(foreign)
  tally.foreign = foreign.length
  return undefined
}

type Run = { readonly batches: readonly Batch[]; readonly target: Target }

/** Of each run all rows are of one table: only then is a request one transaction. */
const runsOf = (batches: readonly Batch[], document: FleetDocument, target: Target): Run[] =>
  cutByRows(batches, document.writer.batchRows).map((run) => ({ batches: run, target }))

const landRun = async ({ batches, target }: Run, document: FleetDocument, tools: FlushTools) => {
  const landed = await land(batches, (bodies) => tools.write(bodies, target))
  if (landed.kind === 'landed' && landed.rejected.length > 0) {
    await tools.setAside(landed.rejected.map((rejected) => rowLetter(document, rejected)))
  }
  return landed
}

const count = (tally: Tally, { batches: run }: Run, rejected: readonly Rejected[]): void => {
  tally.rows += run.reduce((sum, { info }) => sum + info.rows, 0) - rejected.length
  tally.bytes += run.reduce((sum, { message }) => sum + message.body.length, 0)
  tally.rejected.push(...rejected)
  tally.links.push(...run.flatMap(({ info }) => info.traceLinks))
}

/** Settles runs one after the other until one can't be; returns why. */
const settleRuns = async (
  runs: readonly Run[],
  document: FleetDocument,
  tools: FlushTools,
  tally: Tally,
): Promise<string | undefined> => {
  for (const run of runs) {
    const landed = await landRun(run, document, tools)
    if (landed.kind === 'unavailable') return landed.reason
    settle(messagesOf(run.batches))
    count(tally, run, landed.rejected)
  }
  return undefined
}

/** Settles the readings, and then the events, which go to another table: what holds up one need not hold up the other. */
const settleAll = async (
  { readings, events }: Sorted,
  document: FleetDocument,
  tools: FlushTools,
  tally: Tally,
): Promise<string | undefined> => {
  const first = await settleRuns(runsOf(readings, document, readingsTarget(document)), document, tools, tally)
  const second = await settleRuns(runsOf(events, document, eventsTarget(document)), document, tools, tally)
  return first ?? second
}

/** Never rejects: what goes wrong is in `unsettled`. Acknowledging twice does nothing, so the rest can be given back wholesale. */
export const flush = async (
  messages: readonly Delivered[],
  document: FleetDocument,
  tools: FlushTools,
): Promise<Flushed> => {
  const sorted = sortMessages(messages, document)
  const tally: Tally = { rows: 0, bytes: 0, rejected: [], foreign: 0, links: [] }
  let unsettled: string | undefined
  try {
    settle(sorted.empty)
    const early = sorted.early.length > 0 ? 'the document of a newer generation is on its way' : undefined
    const foreign = await refuseForeign(sorted, document, tools, tally)
    unsettled = (await settleAll(sorted, document, tools, tally)) ?? foreign ?? early
  } catch (error) {
    unsettled = messageOf(error)
  }
  if (unsettled !== undefined) giveBack(messages)
  return { ...tally, ...(unsettled === undefined ? {} : { unsettled }) }
}
