/** Rollup history is never shortened: not by a schema change, an invalid view or a repair. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generationOf, rollupUnion } from '@fleetloom/shared/pipeline/rollup-union'
import type { Platform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { FILE, FLEET, manifest, startOperatorPlatform, TABLE, tablesOf } from './operator-under-test.ts'

const DAY_MS = 86_400_000
const EVERY = '1h'
const keeping = (ttl: string) => [
  `storage: {ttl: ${ttl}, rollups: [{every: 1h, ttl: 180d}]}`,
  'payload: {acceptPast: 1d}',
]
const spec = keeping('1d')

const iso = (ms: number): string => new Date(ms).toISOString()

/** Rows a quarter of an hour apart, written as a person at the SQL console would. */
const insert = ({ sql }: Platform, fromMs: number, rows: number) =>
  sql(
    `INSERT INTO "${TABLE}" (ts, device, digest, temperature) ` +
      `SELECT timestamp_sequence('${iso(fromMs)}', 900000000L), 'r-1', x, x::double FROM long_sequence(${rows})`,
  )

/** The rollup as a reader sees it: every generation together. One that never held a row may go between the list and the query. */
const read = (platform: Platform, beforeMs: number) =>
  until(() => readOnce(platform, beforeMs), { what: 'the rollup to be read' })

const readOnce = async (platform: Platform, beforeMs: number) => {
  const views = (await tablesOf(platform)).flatMap((view) => {
    const generation = generationOf('fleetloom', FLEET, EVERY, view)
    return generation === undefined ? [] : [{ view, generation }]
  })
  const generations = await Promise.all(
    views.map(async (one) => ({
      ...one,
      columns: await platform.sql<{ name: string; type: string }>(
        `SELECT "column" name, type FROM table_columns('${one.view}')`,
      ),
    })),
  )
  const select = (['min', 'max', 'avg', 'last', 'count'] as const).map((fold) => ({ measurement: 'temperature', fold }))
  return platform.sql(
    `SELECT * FROM (${rollupUnion({ generations, select })}) WHERE ts < '${iso(beforeMs)}' ORDER BY ts, device`,
  )
}

const generationsReady = (platform: Platform, newest: string) =>
  until(
    async () => {
      const [row] = await platform.sql<{ built: string | null }>(
        `SELECT last_refresh_finish_timestamp built FROM materialized_views() WHERE view_name = '${newest}' AND view_status = 'valid'`,
      )
      return row?.built
    },
    { what: `${newest} to be built`, deadlineMs: 20_000, everyMs: 200 },
  )

test('expired rows, an added measurement, an invalid view, a truncated and a dropped table: the old rollup rows are equal', async () => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack, { manifests: { [FILE]: manifest({ spec: keeping('4d') }) } })
  await platform.untilReady(FLEET)
  const nowMs = Date.now()
  const today = Math.floor(nowMs / DAY_MS) * DAY_MS
  await insert(platform, nowMs - 3.5 * DAY_MS, 330)
  await until(async () => (await read(platform, nowMs)).length >= 82, {
    what: 'the rollup to hold the rows',
    deadlineMs: 20_000,
  })
  const before = await read(platform, today)
  assert.ok(before.length >= 60)

  // A shorter TTL, and the next row that is written, make the oldest ones expire.
  platform.apply(FILE, manifest({ spec }))
  await platform.untilReady(FLEET, { generation: 2 })
  await insert(platform, nowMs, 1)
  await until(
    async () => {
      const [row] = await platform.sql<{ first: string }>(`SELECT min(ts) first FROM "${TABLE}"`)
      return Date.parse(row?.first ?? '') >= nowMs - 2.5 * DAY_MS
    },
    { what: 'the table to have lost its old rows', deadlineMs: 20_000, everyMs: 200 },
  )
  assert.deepEqual(await read(platform, today), before)

  platform.apply(FILE, manifest({ spec, measurements: { temperature: 'Double', wind: 'Double' } }))
  await platform.untilReady(FLEET, { generation: 3 })
  await generationsReady(platform, `${TABLE}_1h_g2`)
  await platform.untilTold('Updated', /rollup cold_reefers_1h is replaced and kept for its history/)
  assert.deepEqual(await read(platform, today), before)

  await platform.sql(`ALTER TABLE "${TABLE}" DROP COLUMN wind`)
  await platform.untilTold('Repaired', /rollup cold_reefers_1h_g3/)
  await generationsReady(platform, `${TABLE}_1h_g3`)
  assert.deepEqual(await read(platform, today), before)

  const all = await read(platform, nowMs)
  await platform.sql(`TRUNCATE TABLE "${TABLE}"`)
  await platform.untilTold('Repaired', /rollup cold_reefers_1h_g4: .*truncate/)
  await generationsReady(platform, `${TABLE}_1h_g4`)
  assert.deepEqual(await read(platform, nowMs), all)

  await platform.sql(`DROP TABLE "${TABLE}"`)
  await platform.untilTold('Repaired', /rollup cold_reefers_1h_g5/)
  await generationsReady(platform, `${TABLE}_1h_g5`)
  await insert(platform, nowMs - 20 * 3_600_000, 4)
  assert.deepEqual(await read(platform, today), before)
})
