import { RESERVED_COLUMNS } from '@fleetloom/crds/names'
import { EVENT_COLUMNS, eventsTableOf } from '@fleetloom/shared/events/row'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Target } from '@fleetloom/shared/questdb/answer'

/** Where a fleet's readings go. */
export const readingsTarget = ({ table, measurements }: FleetDocument): Target => ({
  table,
  columns: [...RESERVED_COLUMNS, ...measurements.map(({ name }) => name)],
})

/** Where a fleet's events go: the table of its namespace. */
export const eventsTarget = (document: FleetDocument): Target => ({
  table: eventsTableOf(document),
  columns: Object.keys(EVENT_COLUMNS),
})
