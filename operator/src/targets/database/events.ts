/**
 * The events table of a namespace, which all its fleets share: every fleet brings it about, and it goes with the last of them.
 * Its mark bears the name of no fleet (none may be named `events`).
 *
 * A fleet whose `onDelete` is Retain leaves its wish in the mark when it goes. From then on the table stays, whatever later fleets of
 * the namespace say: rows of several fleets stand in it, and those that were to be kept can't be told from the others by dropping it.
 */
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { type Names, RESERVED_FLEET_NAMES } from '@fleetloom/crds/names'
import { durationMs } from '@fleetloom/crds/units'
import { EVENT_COLUMNS } from '@fleetloom/shared/events/row'
import type { Change, Target } from '../../loop/converge.ts'
import { Stalling } from '../../loop/errors.ts'
import type { Catalog } from './catalog.ts'
import { applySql, changing, runAll } from './database-target.ts'
import { readTable } from './read.ts'
import type { SqlChange } from './rollups.ts'
import type { TableHave } from './shape.ts'
import { DEDUP_KEYS, type Mark, markSql, quoted } from './sql.ts'
import { createTable, planMarks, planShape, planTtl, refuseUnsafe, type TableWant } from './table-plan.ts'

export type EventsWant = TableWant & { readonly namespace: string; readonly marksTable: string }

export type EventsHave = {
  readonly unsafe: readonly string[]
  readonly hasMarks: boolean
  readonly mark: Mark | undefined
  /** What stands under the name, ours or not. */
  readonly stands: 'table' | 'view' | undefined
  readonly table: TableHave | undefined
}

const DAY_MS = 86_400_000
const [MARK_NAME] = RESERVED_FLEET_NAMES
/** Stands for the UID in the mark of a table that a removed fleet wanted retained. */
const RETAINED = 'retained'

/** `ttlMs` is the platform's; the table keeps events for as long as any of the namespace's fleets may send old ones. */
export const eventsWant = (
  namespace: string,
  specs: readonly Pick<DeviceFleetSpec, 'payload'>[],
  { names, ttlMs }: { readonly names: Names; readonly ttlMs: number },
): EventsWant => {
  const longestMs = Math.max(ttlMs, ...specs.map(({ payload }) => durationMs(payload.acceptPast)))
  const table = names.eventsTable(namespace)
  const ttlHours = Math.ceil(longestMs / DAY_MS) * 24
  return {
    namespace,
    table,
    marksTable: names.ownershipTable,
    columns: Object.entries(EVENT_COLUMNS),
    partitionBy: 'DAY',
    dedupKeys: DEDUP_KEYS,
    ttl: { sql: `${ttlHours} HOURS`, length: `${ttlHours}h` },
    wayOut: {
      partition: `rename it and let the operator make ${table} anew`,
      column: `rename the table and let the operator make ${table} anew`,
    },
  }
}

const markOf = ({ table, namespace }: EventsWant, uid = ''): Mark => ({ table, uid, namespace, name: MARK_NAME })

const readEvents = async (catalog: Catalog, want: EventsWant): Promise<EventsHave> => {
  const snapshot = await catalog.readListing(want.table)
  const row = await catalog.row(want.table, snapshot)
  const marks = snapshot.marks?.get(`${want.namespace}/${MARK_NAME}`) ?? []
  return {
    unsafe: snapshot.unsafe,
    hasMarks: snapshot.marks !== undefined,
    mark: marks.find(({ table }) => table === want.table),
    stands: row && (row.matView ? 'view' : 'table'),
    table: row && !row.matView ? await readTable(catalog, snapshot, row) : undefined,
  }
}

const createEvents = (want: EventsWant, { mark }: EventsHave): SqlChange =>
  createTable(want, mark ? [] : [markSql(want.marksTable, markOf(want))])

/** @throws Stalling for what is not ours, can't change, or is unsafe. */
export const planEvents = (want: EventsWant, have: EventsHave): readonly SqlChange[] => {
  refuseUnsafe(have)
  if (have.stands === 'view' || (have.stands === 'table' && have.mark === undefined))
    throw new Stalling(
      'NotOwned',
      `${want.table} in the database, where the events of namespace ${want.namespace} go, was not made by this installation; it is left alone. Rename or drop it`,
    )
  const table = have.table ? planHeld(want, have.table) : [createEvents(want, have)]
  return [...planMarks(want, have), ...table]
}

/** Its TTL follows from other fleets too, so a change of it is no drift. */
const planHeld = (want: EventsWant, table: TableHave): SqlChange[] =>
  [...planShape(want, table), ...planTtl(want, table).map((change) => ({ ...change, expected: true }))].map(
    (change) => ({ ...change, message: `${want.table}: ${change.message}` }),
  )

/** `beforeTable` is called before the table is made, so that what fills it starts from the beginning. */
export const eventsTarget = (
  catalog: Catalog,
  beforeTable: () => Promise<void>,
): Target<EventsWant, EventsHave, SqlChange> => ({
  name: 'database',
  read: (want) => readEvents(catalog, want),
  plan: planEvents,
  apply: async ({ table }, change) => {
    if (change.makesTable) await beforeTable()
    await applySql(catalog, table, change)
  },
})

export type EventsLeaving = EventsWant & {
  readonly onDelete: DeviceFleetSpec['storage']['onDelete']
  /** Whether the namespace has no other fleet. */
  readonly isLast: boolean
}

type Leaving = Change & { readonly sql: readonly string[] }

/** What a fleet that goes leaves of the table. */
export const planLeaving = (want: EventsLeaving, { mark, table }: Pick<EventsHave, 'mark' | 'table'>): Leaving[] => {
  if (mark === undefined || table === undefined || mark.uid === RETAINED) return []
  if (want.onDelete === 'Retain') {
    const sql = [markSql(want.marksTable, markOf(want, RETAINED))]
    return [{ reason: 'Updated', message: `table ${want.table} is retained from now on`, expected: true, sql }]
  }
  if (!want.isLast) return []
  const sql = [`DROP TABLE IF EXISTS ${quoted(want.table)}`, markSql(want.marksTable, markOf(want), true)]
  return [{ reason: 'Removed', message: `table ${want.table}`, expected: true, sql }]
}

export const eventsLeaving = (catalog: Catalog): Target<EventsLeaving, EventsHave, Leaving> => ({
  name: 'database',
  read: (want) => readEvents(catalog, want),
  plan: planLeaving,
  apply: ({ table }, { sql }) => changing(catalog, table, (db) => runAll(db, sql)),
})
