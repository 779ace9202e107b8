/**
 * Rollups and their generations. Pure.
 *
 * A view can't gain a column, and one that turned invalid could only be rebuilt from what the table still holds. So when the
 * newest generation lacks a measurement or is no longer refreshed, a new one is made beside it:
 *
 * 1. It begins where the table's own rows begin (the *floor*), if older generations hold steps from before; QuestDB fills it
 *    from there. Readers take the newest generation and older ones only before its first step.
 * 2. Once it is built, older ones become `manual`: they cost nothing more. A manual view pins the table's WAL
 *    (*measured*: its segments pile up without end), so one that is many transactions behind is refreshed by hand.
 * 3. One that holds nothing from before the next, or nothing that has not outlived its TTL, is dropped.
 *
 * The refresh limit keeps rows older than the table's TTL from being folded again: part of their step may be evicted
 * already, and the step would shrink. A removed measurement stays in later generations as long as the table has its column.
 */

import { lengthOf, viewPartition, viewTtl } from './lengths.ts'
import type { DatabaseHave, DatabaseWant, RollupWant, ViewHave } from './shape.ts'
import { generationsOf, viewName } from './shape.ts'
import { COLUMN_TYPES, createViewSql, foldsOf, type Measured, markSql, quoted, viewSource, viewTail } from './sql.ts'

export type SqlChange = {
  readonly reason: 'Created' | 'Updated' | 'Removed'
  readonly message: string
  readonly expected?: boolean
  readonly sql: readonly string[]
  /** It makes the table into which readings are written. */
  readonly makesTable?: true
  /** A query that gives a row once the change can be seen: QuestDB applies some changes behind its answer. */
  readonly confirm?: string
}

/** Transactions behind which a replaced generation is refreshed, so that the table's WAL can go. */
export const MAX_BEHIND = 2_000
const HOUR_MS = 3_600_000
const PARTITION_HOURS = { HOUR: 1, DAY: 24, WEEK: 168 } as const

/** Every measurement a new generation holds: those of the spec, and removed ones whose column is still there. */
export const rollupMeasurements = (
  { measurements }: DatabaseWant,
  columns: ReadonlyMap<string, string>,
): Measured[] => {
  const known = new Set(['ts', 'device', 'digest', ...measurements.map(({ name }) => name)])
  const typeOf = (column: string) =>
    (Object.keys(COLUMN_TYPES) as Measured['type'][]).find((type) => COLUMN_TYPES[type] === column)
  const retained = [...columns].flatMap(([name, column]) => {
    const type = typeOf(column)
    return known.has(name) || type === undefined ? [] : [{ name, type }]
  })
  return [...measurements, ...retained]
}

/** Why a view does not do as the newest generation; undefined when it does. */
export const faultOf = (want: DatabaseWant, { every }: RollupWant, view: ViewHave): string | undefined => {
  if (view.status === 'invalid') return `is invalid (${view.invalidReason})`
  if (view.refresh !== 'immediate') return `is not refreshed (${view.refresh})`
  if (!view.sql.includes(viewSource(want.table)) || !view.sql.endsWith(viewTail(every))) return 'reads something else'
  const missing = want.measurements.filter((one) => foldsOf(one).some((fold) => !view.sql.includes(fold)))
  return missing.length === 0 ? undefined : `lacks ${missing.map(({ name }) => name).join(', ')}`
}

/** Hours beyond which rows are not folded again: a step that ends there is whole in the table. */
export const limitHours = ({ ttlHours, partitionBy }: DatabaseWant, { everyMs }: RollupWant): number => {
  const everyHours = everyMs / HOUR_MS
  return Math.max(1, Math.floor(ttlHours - (everyHours > PARTITION_HOURS[partitionBy] ? everyHours : 0)))
}

const limitSql = (view: string, hours: number): string =>
  `ALTER MATERIALIZED VIEW ${quoted(view)} SET REFRESH LIMIT ${hours} HOURS`

/** The next generation of a rollup, marked as ours before it is made. */
const create = (
  want: DatabaseWant,
  have: DatabaseHave,
  rollup: RollupWant,
  newest: ViewHave | undefined,
): SqlChange => {
  const view = viewName(want, rollup.every, (newest?.generation ?? 0) + 1)
  const partitionBy = viewPartition(rollup.everyMs, rollup.ttlHours)
  const sql = createViewSql({
    view,
    table: want.table,
    every: rollup.every,
    measurements: rollupMeasurements(want, have.table?.columns ?? new Map()),
    floorMs: have.floors.get(rollup.every),
    partitionBy,
    ttl: viewTtl(rollup.ttlHours, partitionBy).sql,
  })
  const why = newest ? `: ${newest.view} ${faultOf(want, rollup, newest)}` : ''
  return {
    reason: 'Created',
    message: `rollup ${view}${why}`,
    sql: [...markedSql(want, have, view), sql, limitSql(view, limitHours(want, rollup))],
  }
}

/** Marks a table or view as this fleet's, unless it is marked already. */
export const markedSql = (want: DatabaseWant, { marks }: DatabaseHave, table: string): string[] => {
  if (marks.some((mark) => mark.table === table && mark.uid === want.uid)) return []
  return [markSql(want.marksTable, { ...want.fleet, uid: want.uid, table })]
}

const keepNewest = (want: DatabaseWant, rollup: RollupWant, view: ViewHave): SqlChange[] => {
  const ttl = viewTtl(rollup.ttlHours, view.partitionBy)
  const hours = limitHours(want, rollup)
  const changes: SqlChange[] = []
  if (view.ttl !== ttl.length) {
    const sql = [`ALTER MATERIALIZED VIEW ${quoted(view.view)} SET TTL ${ttl.sql}`]
    changes.push({ reason: 'Updated', message: `rollup ${view.view}: ttl ${view.ttl} → ${ttl.length}`, sql })
  }
  if (view.limit !== lengthOf(hours, 'HOUR')) {
    const message = `rollup ${view.view}: refresh limit ${view.limit} → ${hours}h`
    changes.push({ reason: 'Updated', message, sql: [limitSql(view.view, hours)] })
  }
  return changes
}

/** Whether readers still need an older generation: it begins before all newer ones, and not all of that has outlived its TTL. */
const isNeeded = (view: ViewHave, newer: readonly ViewHave[], ttlHours: number, nowMs: number): boolean => {
  const next = Math.min(...newer.map(({ firstMs }) => firstMs ?? Number.POSITIVE_INFINITY))
  return view.firstMs !== undefined && view.firstMs < next && next > nowMs - ttlHours * HOUR_MS
}

const drop = (want: DatabaseWant, view: string, why: string): SqlChange => ({
  reason: 'Removed',
  message: `rollup ${view} ${why}`,
  expected: true,
  sql: dropViewSql(want, view),
})

export const dropViewSql = (
  { marksTable, fleet, uid }: Pick<DatabaseWant, 'marksTable' | 'fleet' | 'uid'>,
  view: string,
): string[] => [
  `DROP MATERIALIZED VIEW IF EXISTS ${quoted(view)}`,
  markSql(marksTable, { ...fleet, uid, table: view }, true),
]

/** Retires a replaced generation that readers still need, and lets go of the WAL it pins. */
const retire = ({ view, refresh, status, behind }: ViewHave): SqlChange[] => {
  if (status === 'invalid') return []
  if (refresh !== 'manual') {
    const sql = [`ALTER MATERIALIZED VIEW ${quoted(view)} SET REFRESH MANUAL`]
    return [{ reason: 'Updated', message: `rollup ${view} is replaced and kept for its history`, expected: true, sql }]
  }
  if (behind <= MAX_BEHIND) return []
  const sql = [`REFRESH MATERIALIZED VIEW ${quoted(view)} INCREMENTAL`]
  return [{ reason: 'Updated', message: `rollup ${view} is ${behind} transactions behind`, expected: true, sql }]
}

const planOlder = (
  want: DatabaseWant,
  have: DatabaseHave,
  ttlHours: number,
  views: readonly ViewHave[],
): SqlChange[] => {
  const [newest, ...older] = views
  if (!newest?.built) return []
  return older.flatMap((view, i) =>
    isNeeded(view, views.slice(0, i + 1), ttlHours, have.nowMs)
      ? retire(view)
      : [drop(want, view.view, 'holds nothing that newer generations lack')],
  )
}

const planRollup = (want: DatabaseWant, have: DatabaseHave, rollup: RollupWant): SqlChange[] => {
  const views = generationsOf(have.views, rollup.every)
  const [newest] = views
  if (!newest || faultOf(want, rollup, newest) !== undefined) return [create(want, have, rollup, newest)]
  return [...keepNewest(want, rollup, newest), ...planOlder(want, have, rollup.ttlHours, views)]
}

/** Generations of a rollup that the spec no longer has: kept as they are until they have outlived their own TTL. */
const planRemoved = (want: DatabaseWant, have: DatabaseHave, every: string): SqlChange[] =>
  generationsOf(have.views, every).flatMap((view) =>
    view.firstMs === undefined ? [drop(want, view.view, 'is empty and no longer wanted')] : retire(view),
  )

export const planRollups = (want: DatabaseWant, have: DatabaseHave): SqlChange[] => {
  const wanted = new Set(want.rollups.map(({ every }) => every))
  const removed = [...new Set(have.views.map(({ every }) => every))].filter((every) => !wanted.has(every))
  return [
    ...have.views
      .filter(({ suspended }) => suspended !== undefined)
      .map(
        ({ view, suspended }): SqlChange => ({
          reason: 'Updated',
          message: `rollup ${view}: its WAL was suspended (${suspended}), resumed`,
          sql: [`ALTER MATERIALIZED VIEW ${quoted(view)} RESUME WAL`],
        }),
      ),
    ...want.rollups.flatMap((rollup) => planRollup(want, have, rollup)),
    ...removed.flatMap((every) => planRemoved(want, have, every)),
  ]
}
