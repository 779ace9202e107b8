/** Builders of what tests of the database target compare. */
import { type DeviceFleetInput, deviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { namesOf } from '@fleetloom/crds/names'
import type { DatabaseHave, DatabaseWant, TableHave, ViewHave } from './shape.ts'
import { databaseWant } from './shape.ts'
import { createViewSql, type Measured } from './sql.ts'

export const MEASUREMENTS = [
  { name: 'temperature', type: 'Double' },
  { name: 'door', type: 'Symbol' },
] as const satisfies Measured[]

export const aWant = (spec: Partial<DeviceFleetInput> = {}): DatabaseWant =>
  databaseWant(
    { namespace: 'cold', name: 'reefers' },
    'u1',
    deviceFleetSpec.parse({
      measurements: MEASUREMENTS,
      storage: { ttl: '30d', rollups: [{ every: '1h', ttl: '180d' }] },
      ...spec,
    }),
    namesOf(),
  )

export const aTable = (change: Partial<TableHave> = {}): TableHave => ({
  partitionBy: 'DAY',
  ttl: '720h',
  wal: true,
  suspended: undefined,
  columns: new Map([
    ['ts', 'TIMESTAMP'],
    ['device', 'SYMBOL'],
    ['digest', 'LONG'],
    ['temperature', 'DOUBLE'],
    ['door', 'SYMBOL'],
  ]),
  dedupKeys: ['ts', 'device', 'digest'],
  ...change,
})

/** The query of a view, as QuestDB gives it back. */
const queryOf = (create: string): string =>
  create.slice(create.indexOf(' AS (') + 5, create.lastIndexOf(') PARTITION BY'))

export const aView = (change: Partial<ViewHave> = {}, measurements: readonly Measured[] = MEASUREMENTS): ViewHave => ({
  view: 'cold_reefers_1h',
  every: '1h',
  generation: 1,
  sql: queryOf(
    createViewSql({
      view: 'v',
      table: 'cold_reefers',
      every: '1h',
      measurements,
      partitionBy: 'DAY',
      ttl: '4320 HOURS',
    }),
  ),
  status: 'valid',
  invalidReason: '',
  refresh: 'immediate',
  built: true,
  behind: 0,
  partitionBy: 'DAY',
  ttl: '4320h',
  limit: '720h',
  suspended: undefined,
  firstMs: NOW_MS - 3_600_000,
  ...change,
})

export const NOW_MS = Date.parse('2026-01-01T00:00:00Z')

export const aHave = (change: Partial<DatabaseHave> = {}): DatabaseHave => ({
  nowMs: NOW_MS,
  unsafe: [],
  hasMarks: true,
  marks: [{ table: 'cold_reefers', uid: 'u1', namespace: 'cold', name: 'reefers' }],
  foreign: [],
  table: aTable(),
  views: [aView()],
  floors: new Map(),
  ...change,
})
