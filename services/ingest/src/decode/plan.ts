/** A fleet's document compiled for decoding: everything that does not change from message to message. */

import { eventHead } from '@fleetloom/shared/events/row'
import type { FleetDocument, Measurement } from '@fleetloom/shared/pipeline/fleet-document'
import { escapeName } from '@fleetloom/shared/rows/line-protocol'
import { bytesOf } from './ascii.ts'
import { KeyTable } from './keys.ts'
import { MAX_TEXT_BYTES } from './schema.ts'
import { compilePattern, type TopicPattern } from './topic.ts'

export type FieldType = Measurement['type']

export type Field = {
  /** Place in `Plan.fields`, and the slot of its value while a message is decoded. */
  readonly index: number
  readonly name: string
  readonly type: FieldType
  readonly minimum: number
  readonly maximum: number
  /** `,name=` in line protocol, as text and as bytes; also the form behind the space, without the comma. */
  readonly label: string
  readonly labelBytes: Uint8Array
}

export type Plan = {
  readonly document: FleetDocument
  readonly telemetry: readonly TopicPattern[]
  readonly events: readonly TopicPattern[]
  /** What every row of an event begins with. */
  readonly eventHead: string
  readonly shards: number
  /** `table,device=` */
  readonly head: string
  readonly headBytes: Uint8Array
  readonly fields: readonly Field[]
  /** Fields by their place in a row: symbols stand before the space, the others behind it. */
  readonly symbols: readonly Field[]
  readonly values: readonly Field[]
  /** Keys of a JSON object; slot `fields.length` is the timestamp. */
  readonly keys: KeyTable
  /** Keys of the object form on a scalar topic: slot 0 is the value, slot `fields.length` the timestamp. */
  readonly scalarKeys: KeyTable
  /** Most that a row takes beyond its device and its texts. */
  readonly rowOverhead: number
  /** Most that the texts of a row take. */
  readonly mostValueBytes: number
}

const fieldOf = (measurement: Measurement, index: number): Field => {
  const label = `,${escapeName(measurement.name)}=`
  return {
    index,
    name: measurement.name,
    type: measurement.type,
    minimum: measurement.minimum ?? Number.NEGATIVE_INFINITY,
    maximum: measurement.maximum ?? Number.POSITIVE_INFINITY,
    label,
    labelBytes: bytesOf(label),
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/**
 * `former` are telemetry patterns of earlier documents: the broker may still hold messages that came under them.
 */
export const compilePlan = (document: FleetDocument, former: readonly string[] = []): Plan => {
  const { timestampField } = document.payload
  const fields = document.measurements.map(fieldOf)
  const head = `${escapeName(document.table)},device=`
  const names = fields.map(({ name }) => (name === timestampField ? undefined : name))
  return {
    document,
    telemetry: [...new Set([...document.topics.telemetry, ...former])].map(compilePattern),
    events: document.topics.events.map(compilePattern),
    eventHead: eventHead(document),
    shards: document.stream.telemetrySubjects.length,
    head,
    headBytes: bytesOf(head),
    fields,
    symbols: fields.filter(({ type }) => type === 'Symbol'),
    values: fields.filter(({ type }) => type !== 'Symbol'),
    keys: new KeyTable([...names, timestampField]),
    scalarKeys: new KeyTable(['value', ...names.slice(1).map(() => undefined), timestampField]),
    mostValueBytes: sum(fields.map(({ type }) => (type === 'Symbol' || type === 'String' ? MAX_TEXT_BYTES * 2 : 0))),
    rowOverhead: head.length + 128 + sum(fields.map(({ labelBytes }) => labelBytes.length + 26)),
  }
}
