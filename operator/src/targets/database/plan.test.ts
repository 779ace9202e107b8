import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Stalling } from '../../loop/errors.ts'
import { planDatabase } from './plan.ts'
import { MAX_BEHIND } from './rollups.ts'
import { aHave, aTable, aView, aWant, MEASUREMENTS, NOW_MS } from './testing.ts'

const messages = (want = aWant(), have = aHave()): string[] => planDatabase(want, have).map(({ message }) => message)
const without = (column: string) => new Map([...aTable().columns].filter(([name]) => name !== column))
const DAY_MS = 86_400_000

test('the same spec gives the same desired state, byte by byte', () => {
  assert.equal(JSON.stringify(aWant()), JSON.stringify(aWant()))
  assert.equal(
    JSON.stringify(planDatabase(aWant(), aHave({ table: undefined, views: [] }))),
    JSON.stringify(planDatabase(aWant(), aHave({ table: undefined, views: [] }))),
  )
})

test('what is as it should be is left alone', () => {
  assert.deepEqual(planDatabase(aWant(), aHave()), [])
})

test('an empty database gets marks, table and rollup, each mark before what it marks', () => {
  const changes = planDatabase(aWant(), aHave({ hasMarks: false, marks: [], table: undefined, views: [] }))
  assert.deepEqual(
    changes.map(({ reason, message }) => `${reason} ${message}`),
    ['Created table fleetloom__tables', 'Created table cold_reefers', 'Created rollup cold_reefers_1h'],
  )
  assert.deepEqual(changes[1]?.sql, [
    `INSERT INTO "fleetloom__tables" VALUES (systimestamp(), 'cold_reefers', 'u1', 'cold', 'reefers', false)`,
    'CREATE TABLE "cold_reefers" ("ts" TIMESTAMP, "device" SYMBOL CAPACITY 4096 CACHE, "digest" LONG, "temperature" DOUBLE, ' +
      '"door" SYMBOL CAPACITY 256 CACHE) TIMESTAMP(ts) PARTITION BY DAY TTL 720 HOURS WAL DEDUP UPSERT KEYS("ts", "device", "digest")',
  ])
  assert.deepEqual(changes[2]?.sql.slice(1), [
    'CREATE MATERIALIZED VIEW "cold_reefers_1h" WITH BASE "cold_reefers" REFRESH IMMEDIATE AS (SELECT ts, device, ' +
      'min("temperature") "temperature_min", max("temperature") "temperature_max", avg("temperature") "temperature_avg", ' +
      'last_not_null("temperature") "temperature_last", count("temperature") "temperature_count", ' +
      'last_not_null("door") "door_last", count("door") "door_count" FROM "cold_reefers" SAMPLE BY 1h) PARTITION BY DAY TTL 4320 HOURS',
    'ALTER MATERIALIZED VIEW "cold_reefers_1h" SET REFRESH LIMIT 720 HOURS',
  ])
})

const drift: readonly (readonly [string, Parameters<typeof aTable>[0], readonly string[]])[] = [
  ['a TTL that was changed', { ttl: '24h' }, ['ttl 24h → 720h']],
  ['dedup that was switched off', { dedupKeys: [] }, ['dedup keys none → ts, device, digest']],
  [
    'a key column that was dropped',
    { dedupKeys: ['ts', 'device'], columns: without('digest') },
    ['column digest LONG', 'dedup keys ts, device → ts, device, digest'],
  ],
  ['a suspended WAL', { suspended: 'disk full' }, ['WAL was suspended (disk full), resumed']],
  ['a column that was dropped', { columns: without('door') }, ['column door SYMBOL']],
]
for (const [what, change, expected] of drift)
  test(`${what} is put right`, () => {
    assert.deepEqual(messages(aWant(), aHave({ table: aTable(change) })), expected)
  })

const refused: readonly (readonly [string, Parameters<typeof aHave>[0], string, RegExp])[] = [
  [
    'a foreign table',
    { foreign: [{ name: 'cold_reefers', why: 'was not made by this installation' }] },
    'NotOwned',
    /cold_reefers.*left alone.*another name/,
  ],
  [
    'QuestDB that makes tables by itself',
    { unsafe: ['line.auto.create.new.tables=false'] },
    'Unsafe',
    /must be started with line\.auto\.create\.new\.tables=false/,
  ],
  [
    'another type',
    { table: aTable({ columns: new Map([...aTable().columns, ['temperature', 'LONG']]) }) },
    'Immutable',
    /column temperature .* is LONG.*DOUBLE.*add a measurement of another name/,
  ],
  [
    'another partitioning',
    { table: aTable({ partitionBy: 'HOUR' }) },
    'Immutable',
    /partitioned by HOUR.*DAY.*another name/,
  ],
]
for (const [what, change, reason, message] of refused)
  test(`${what} is refused with the way out, and nothing is changed`, () => {
    assert.throws(
      () => planDatabase(aWant(), aHave(change)),
      (error) => error instanceof Stalling && error.reason === reason && message.test(error.message),
    )
  })

test('a measurement added gets its column and a new generation of the rollup', () => {
  const measurements = [...MEASUREMENTS, { name: 'wind', type: 'Double' as const }]
  const changes = planDatabase(aWant({ measurements }), aHave())
  assert.deepEqual(
    changes.map(({ message }) => message),
    ['column wind DOUBLE', 'rollup cold_reefers_1h_g2: cold_reefers_1h lacks wind'],
  )
  assert.match(changes[1]?.sql[1] ?? '', /"wind_max".*FROM "cold_reefers" SAMPLE BY 1h/)
})

test('a measurement removed changes nothing, and stays in later generations while its column is there', () => {
  const measurements = [MEASUREMENTS[0]]
  assert.deepEqual(messages(aWant({ measurements })), [])
  const [created] = planDatabase(
    aWant({ measurements }),
    aHave({ views: [aView({ status: 'invalid', invalidReason: 'truncate operation' })] }),
  )
  assert.match(created?.sql[1] ?? '', /"door_last"/)
})

test('a generation that begins where the table does leaves older steps to older ones', () => {
  const floors = new Map([['1h', Date.parse('2025-12-03T00:00:00Z')]])
  const [created] = planDatabase(aWant(), aHave({ views: [aView({ status: 'invalid', invalidReason: 'x' })], floors }))
  assert.match(created?.sql[1] ?? '', /FROM "cold_reefers" WHERE ts >= '2025-12-03T00:00:00\.000000Z' SAMPLE BY 1h/)
  assert.doesNotMatch(created?.sql.join(' ') ?? '', /FULL|DROP/)
})

const older = (change: Parameters<typeof aView>[0] = {}) => aView({ firstMs: NOW_MS - 100 * DAY_MS, ...change })
const newer = (change: Parameters<typeof aView>[0] = {}) =>
  aView({ view: 'cold_reefers_1h_g2', generation: 2, firstMs: NOW_MS - 30 * DAY_MS, ...change })
const replaced: readonly (readonly [string, Parameters<typeof aHave>[0], readonly string[]])[] = [
  [
    'is kept for its history, no longer refreshed',
    { views: [older(), newer()] },
    ['rollup cold_reefers_1h is replaced and kept for its history'],
  ],
  ['that is retired costs nothing more', { views: [older({ refresh: 'manual' }), newer()] }, []],
  [
    'far behind lets go of the WAL it pins',
    { views: [older({ refresh: 'manual', behind: MAX_BEHIND + 1 }), newer()] },
    [`rollup cold_reefers_1h is ${MAX_BEHIND + 1} transactions behind`],
  ],
  ['that is invalid is kept too', { views: [older({ status: 'invalid' }), newer()] }, []],
  [
    'stays as it is until the newer one is built',
    { views: [older(), newer({ built: false, firstMs: undefined })] },
    [],
  ],
  [
    'with nothing from before is dropped',
    { views: [older({ firstMs: NOW_MS - DAY_MS }), newer()] },
    ['rollup cold_reefers_1h holds nothing that newer generations lack'],
  ],
  [
    'that has outlived its TTL is dropped',
    { views: [older({ firstMs: NOW_MS - 300 * DAY_MS }), newer({ firstMs: NOW_MS - 200 * DAY_MS })] },
    ['rollup cold_reefers_1h holds nothing that newer generations lack'],
  ],
  [
    'is kept while the newer one is empty',
    { views: [older({ refresh: 'manual' }), newer({ firstMs: undefined })] },
    [],
  ],
]
for (const [what, change, expected] of replaced)
  test(`a replaced generation ${what}`, () => {
    assert.deepEqual(messages(aWant(), aHave(change)), expected)
  })

test('the settings of the newest generation are put right', () => {
  assert.deepEqual(messages(aWant(), aHave({ views: [aView({ ttl: '24h', limit: '0mo' })] })), [
    'rollup cold_reefers_1h: ttl 24h → 4320h',
    'rollup cold_reefers_1h: refresh limit 0mo → 720h',
  ])
})

test('a rollup that is no longer wanted is kept, and dropped once it is empty', () => {
  const want = aWant({ storage: { ttl: '30d', rollups: [] } })
  assert.deepEqual(messages(want, aHave({ views: [aView({ refresh: 'manual' })] })), [])
  assert.deepEqual(messages(want, aHave({ views: [aView({ firstMs: undefined })] })), [
    'rollup cold_reefers_1h is empty and no longer wanted',
  ])
})

test('a table of an earlier fleet of this name is taken over', () => {
  const marks = [{ table: 'cold_reefers', uid: 'u0', namespace: 'cold', name: 'reefers' }]
  assert.deepEqual(messages(aWant(), aHave({ marks })), [
    'table cold_reefers of an earlier fleet of this name is taken over',
  ])
})
