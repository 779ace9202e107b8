/** Messages for tests, which remember how they were settled. */
import { batchHeaders } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Msg, NatsConnection } from '@nats-io/nats-core'
import { Delivered } from '../stream/delivered.ts'
import type { Batch } from './sort.ts'

export type Settled = Map<number, string>

type Made = {
  readonly subject?: string
  readonly uid?: string
  readonly generation?: number
  readonly seq?: number
  readonly settled?: Settled
}

/** A delivered batch; what it answers to the server is kept in `settled` by its sequence. */
const SUBJECT = 'fleet.plant.line.telemetry.0'

export const messageOf = (
  body: string,
  { subject = SUBJECT, uid = 'uid-1', generation = 1, seq = 1, settled }: Made = {},
): Delivered => {
  const rows = body.split('\n').length - 1
  const message = {
    subject,
    reply: `$JS.ACK.fleet_plant_line.writer.1.${seq}.${seq}.1700000000123456789.0`,
    data: Buffer.from(body),
    headers:
      uid === '' ? undefined : batchHeaders({ rows, firstMicros: 0, lastMicros: 0, uid, generation, traceLinks: [] }),
  }
  const connection = { publish: (_: string, answer: Uint8Array) => settled?.set(seq, Buffer.from(answer).toString()) }
  return new Delivered(message as unknown as Msg, connection as unknown as NatsConnection)
}

export const batchOf = (body: string, made: Made = {}): Batch => {
  const message = messageOf(body, made)
  return { message, info: message.info as Batch['info'] }
}

/** The parts of a document that a flush looks at. */
export const documentOf = (change: Partial<FleetDocument> = {}): FleetDocument =>
  ({
    installation: 'fleetloom',
    namespace: 'plant',
    name: 'line',
    uid: 'uid-1',
    generation: 1,
    table: 'plant_line',
    measurements: [],
    stream: { name: 'fleet_plant_line', maxBytes: 2 ** 26 },
    writer: { batchRows: 1000, flushIntervalMs: 10 },
    ...change,
  }) as unknown as FleetDocument
