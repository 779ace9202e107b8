/** What a fleet wants of the database and what is there, as values: what `read` gives and `plan` compares. */

import { type DeviceFleetSpec, ROLLUP_STEPS } from '@fleetloom/crds/device-fleet'
import { type Names, namesOf, type Ref } from '@fleetloom/crds/names'
import { durationMs } from '@fleetloom/crds/units'
import type { Mark, Measured } from './sql.ts'

export type RollupWant = { readonly every: string; readonly everyMs: number; readonly ttlHours: number }

export type DatabaseWant = {
  readonly fleet: Ref
  readonly uid: string
  readonly installation: string
  readonly table: string
  readonly marksTable: string
  readonly measurements: readonly Measured[]
  readonly partitionBy: 'HOUR' | 'DAY' | 'WEEK'
  readonly ttlHours: number
  readonly rollups: readonly RollupWant[]
}

export type TableHave = {
  readonly partitionBy: string
  /** As `lengthOf`. */
  readonly ttl: string
  readonly wal: boolean
  /** Why its WAL is suspended; undefined when it is not. */
  readonly suspended: string | undefined
  readonly columns: ReadonlyMap<string, string>
  readonly dedupKeys: readonly string[]
}

export type ViewHave = {
  readonly view: string
  readonly every: string
  readonly generation: number
  readonly sql: string
  readonly status: string
  readonly invalidReason: string
  /** `immediate`, or `manual` for a generation that was replaced. */
  readonly refresh: string
  /** Whether it was refreshed at least once. */
  readonly built: boolean
  /** Transactions of the table that it has not seen. */
  readonly behind: number
  readonly partitionBy: string
  readonly ttl: string
  readonly limit: string
  readonly suspended: string | undefined
  /** Start of its first step, ms since the epoch; undefined when it is empty. */
  readonly firstMs: number | undefined
}

/** What stands under one of our names and is neither our table nor our view. */
export type Foreign = { readonly name: string; readonly why: string }

export type DatabaseHave = {
  readonly nowMs: number
  /** Settings that break a guarantee, in words. */
  readonly unsafe: readonly string[]
  readonly hasMarks: boolean
  readonly marks: readonly Mark[]
  readonly foreign: readonly Foreign[]
  readonly table: TableHave | undefined
  readonly views: readonly ViewHave[]
  /** By `every`: where a new generation must begin so that older ones keep what the table no longer holds. */
  readonly floors: ReadonlyMap<string, number>
}

const HOUR_MS = 3_600_000
const PARTITIONS = { Hour: 'HOUR', Day: 'DAY', Week: 'WEEK' } as const

/** Pure: the same spec gives the same value. */
export const databaseWant = (fleet: Ref, uid: string, spec: DeviceFleetSpec, names: Names): DatabaseWant => ({
  fleet: { namespace: fleet.namespace, name: fleet.name },
  uid,
  installation: names.installation,
  table: names.table(fleet),
  marksTable: names.ownershipTable,
  measurements: spec.measurements.map(({ name, type }) => ({ name, type })),
  partitionBy: PARTITIONS[spec.storage.partitionBy],
  ttlHours: durationMs(spec.storage.ttl) / HOUR_MS,
  rollups: spec.storage.rollups.map(({ every, ttl }) => ({
    every,
    everyMs: durationMs(every),
    ttlHours: durationMs(ttl) / HOUR_MS,
  })),
})

export const viewName = ({ installation, fleet }: DatabaseWant, every: string, generation: number): string =>
  namesOf(installation).rollup(fleet, every, generation)

/** The rollup behind a name of this fleet; undefined for any other name. */
export const rollupOfName = (table: string, name: string): { every: string; generation: number } | undefined => {
  if (!name.startsWith(`${table}_`)) return undefined
  const [, every, generation] = /^([0-9]+[a-z]+)(?:_g([1-9][0-9]{0,3}))?$/.exec(name.slice(table.length + 1)) ?? []
  if (every === undefined || !(ROLLUP_STEPS as readonly string[]).includes(every)) return undefined
  return { every, generation: generation === undefined ? 1 : Number(generation) }
}

/** Generations of a rollup, newest first. */
export const generationsOf = (views: readonly ViewHave[], every: string): readonly ViewHave[] =>
  views.filter((view) => view.every === every).sort((a, b) => b.generation - a.generation)
