/** What the writer sets aside: single rows that the database refused, and whole batches made for another fleet. */
import { createHash } from 'node:crypto'
import { namesOf } from '@fleetloom/crds/names'
import {
  type DeadLetter,
  deadLetterHeaders,
  KEPT_BYTES,
  MAX_LETTER_BYTES,
} from '@fleetloom/shared/dead-letters/dead-letter'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { JetStreamClient } from '@nats-io/jetstream'
import { deviceOfLine } from '../questdb/lines.ts'
import type { Delivered } from '../stream/delivered.ts'
import type { Rejected } from './land.ts'
import { uidOf } from './sort.ts'

export type Letter = { readonly head: DeadLetter; readonly body: Uint8Array; readonly seq: number }

type Told = Pick<DeadLetter, 'uid' | 'generation' | 'device' | 'reason' | 'field' | 'detail'>

const letterOf = (document: FleetDocument, message: Delivered, told: Told & { readonly body: Uint8Array }): Letter => {
  const { body, ...rest } = told
  const head: DeadLetter = {
    ...rest,
    fleet: { namespace: document.namespace, name: document.name },
    topic: message.subject,
    stage: 'row',
    arrivalMs: message.storedMs,
    payloadBytes: body.length,
    payloadSha256: createHash('sha256').update(body).digest('hex'),
  }
  return { head, body: body.length > MAX_LETTER_BYTES ? body.subarray(0, KEPT_BYTES) : body, seq: message.seq }
}

/** The letter for a row that the database refused. */
export const rowLetter = (document: FleetDocument, { line, batch, fault }: Rejected): Letter =>
  letterOf(document, batch.message, {
    uid: batch.info.uid,
    generation: batch.info.generation,
    device: deviceOfLine(line),
    reason: 'database_rejected',
    field: fault.field,
    detail: fault.detail,
    body: line,
  })

/** The letter for a batch of another fleet, as a whole: its rows were good for a table that is gone. */
export const foreignLetter = (document: FleetDocument, message: Delivered): Letter => {
  const uid = uidOf(message)
  return letterOf(document, message, {
    uid,
    generation: 0,
    device: deviceOfLine(message.body),
    reason: 'foreign_fleet',
    field: '',
    detail:
      uid === ''
        ? 'a message without the headers of a batch'
        : `a batch of the fleet with UID ${uid}, not ${document.uid}`,
    body: message.body,
  })
}

/** Letters under way at once. */
const WINDOW = 200

/** Resolves once the dead-letter stream has all of them. The id makes a repeat after a crash the same letter. */
export const publishLetters = async (
  js: JetStreamClient,
  document: FleetDocument,
  letters: readonly Letter[],
): Promise<void> => {
  const names = namesOf(document.installation)
  for (let at = 0; at < letters.length; at += WINDOW) {
    const published = letters.slice(at, at + WINDOW).map(({ head, body, seq }) =>
      js.publish(names.deadSubject(document, head.reason), body, {
        headers: deadLetterHeaders(head),
        msgID: `${document.stream.name}.${seq}.${head.payloadSha256}`,
      }),
    )
    await Promise.all(published)
  }
}
