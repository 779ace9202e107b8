/** An event as a row of its namespace's events table, and the columns of that table. */
import { namesOf } from '@fleetloom/crds/names'
import type { FleetDocument } from '../pipeline/fleet-document.ts'
import { escapeName, quotedText } from '../rows/line-protocol.ts'
import type { DeviceEvent } from './event.ts'

/** Columns of an events table with their types in QuestDB. */
export const EVENT_COLUMNS = {
  ts: 'TIMESTAMP',
  fleet: 'SYMBOL',
  device: 'SYMBOL',
  type: 'SYMBOL',
  severity: 'SYMBOL',
  user: 'VARCHAR',
  address: 'VARCHAR',
  metadata: 'VARCHAR',
  digest: 'LONG',
} as const

export type EventOrigin = { readonly device: string; readonly digest: bigint }

type Fleet = Pick<FleetDocument, 'installation' | 'namespace' | 'name'>

/** Name of the table that the events of a fleet go to. */
export const eventsTableOf = ({ installation, namespace }: Fleet): string =>
  namesOf(installation).eventsTable(namespace)

/** What every row of a fleet's events begins with: `<table>,fleet=<name>,device=`. */
export const eventHead = (fleet: Fleet): string => `${escapeName(eventsTableOf(fleet))},fleet=${fleet.name},device=`

/** One line of line protocol. */
export const eventLine = (head: string, event: DeviceEvent, { device, digest }: EventOrigin): string => {
  const texts = (['user', 'address', 'metadata'] as const).map((field) => {
    const text = event[field]
    return text === undefined ? '' : `${field}=${quotedText(text)},`
  })
  const { type, severity, micros } = event
  return `${head}${device},type=${type},severity=${severity} ${texts.join('')}digest=${digest}i ${micros}000\n`
}
