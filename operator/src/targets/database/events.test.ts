import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { EVENT_COLUMNS } from '@fleetloom/shared/events/row'
import { Stalling } from '../../loop/errors.ts'
import { type EventsHave, type EventsLeaving, eventsWant, planEvents, planLeaving } from './events.ts'
import { aTable } from './testing.ts'

const DAY_MS = 86_400_000
const payload = (acceptPast: string) => ({ payload: { acceptPast } as never })
const wantOf = (...acceptPast: string[]) =>
  eventsWant('cold', acceptPast.map(payload), { names: namesOf(), ttlMs: 90 * DAY_MS })
const want = wantOf('30d')
const mark = { table: 'cold_events', uid: '', namespace: 'cold', name: 'events' }
const table = (change: Parameters<typeof aTable>[0] = {}) =>
  aTable({ ttl: '2160h', columns: new Map(Object.entries(EVENT_COLUMNS)), ...change })

const aHave = (change: Partial<EventsHave> = {}): EventsHave => ({
  unsafe: [],
  hasMarks: true,
  mark,
  stands: 'table',
  table: table(),
  ...change,
})
const absent = { mark: undefined, stands: undefined, table: undefined } as const

const messages = (have: EventsHave): string[] => planEvents(want, have).map(({ message }) => message)

test('it is kept as long as the platform says, or longer where a fleet of the namespace accepts older events', () => {
  assert.deepEqual(
    [wantOf(), wantOf('30d', '1h'), wantOf('1h', '100d'), wantOf('2161h')].map(({ ttl }) => ttl.length),
    [90, 90, 100, 91].map((days) => `${days * 24}h`),
  )
})

test('it is made with its mark before it, and not marked twice', () => {
  const [marks, made] = planEvents(want, aHave({ ...absent, hasMarks: false }))
  assert.equal(marks?.message, 'table fleetloom__tables')
  assert.equal(made?.makesTable, true)
  assert.deepEqual(made?.sql, [
    `INSERT INTO "fleetloom__tables" VALUES (systimestamp(), 'cold_events', '', 'cold', 'events', false)`,
    'CREATE TABLE "cold_events" ("ts" TIMESTAMP, "fleet" SYMBOL CAPACITY 256 CACHE, "device" SYMBOL CAPACITY 4096 CACHE, ' +
      '"type" SYMBOL CAPACITY 256 CACHE, "severity" SYMBOL CAPACITY 256 CACHE, "user" VARCHAR, "address" VARCHAR, "metadata" VARCHAR, ' +
      '"digest" LONG) TIMESTAMP(ts) PARTITION BY DAY TTL 2160 HOURS WAL DEDUP UPSERT KEYS("ts", "device", "digest")',
  ])
  const [again] = planEvents(want, aHave({ ...absent, mark }))
  assert.equal(again?.sql.length, 1)
})

test('what is as it should be is left alone, and what is not is put right', () => {
  assert.deepEqual(messages(aHave()), [])
  const columns = new Map(Object.entries(EVENT_COLUMNS).filter(([name]) => name !== 'user'))
  assert.deepEqual(messages(aHave({ table: table({ ttl: '24h', dedupKeys: [], suspended: 'disk full', columns }) })), [
    'cold_events: WAL was suspended (disk full), resumed',
    'cold_events: column user VARCHAR',
    'cold_events: dedup keys none → ts, device, digest',
    'cold_events: ttl 24h → 2160h',
  ])
})

const refused: readonly (readonly [string, Partial<EventsHave>, string, RegExp])[] = [
  ['a foreign table', { mark: undefined }, 'NotOwned', /cold_events.*namespace cold.*left alone/],
  ['a view', { stands: 'view', table: undefined }, 'NotOwned', /left alone/],
  ['QuestDB that makes tables by itself', { unsafe: ['a=false'] }, 'Unsafe', /must be started with a=false/],
  ['another partitioning', { table: table({ partitionBy: 'HOUR' }) }, 'Immutable', /HOUR, DAY is wanted; rename it/],
  [
    'another type',
    { table: table({ columns: new Map([...table().columns, ['user', 'SYMBOL']]) }) },
    'Immutable',
    /user .* is SYMBOL, VARCHAR is wanted; .*rename the table/,
  ],
]
for (const [what, change, reason, message] of refused)
  test(`${what} is refused with the way out`, () => {
    assert.throws(
      () => planEvents(want, aHave(change)),
      (error) => error instanceof Stalling && error.reason === reason && message.test(error.message),
    )
  })

const leaving = (onDelete: EventsLeaving['onDelete'], isLast: boolean, have = aHave()): string[] =>
  planLeaving({ ...want, onDelete, isLast }, have).flatMap(({ message, sql }) => [message, ...sql])

test('the last fleet takes it along, unless it or one before it wanted its data kept', () => {
  assert.deepEqual(leaving('Delete', true), [
    'table cold_events',
    'DROP TABLE IF EXISTS "cold_events"',
    `INSERT INTO "fleetloom__tables" VALUES (systimestamp(), 'cold_events', '', 'cold', 'events', true)`,
  ])
  assert.deepEqual(leaving('Delete', false), [])
  const kept = [
    'table cold_events is retained from now on',
    `INSERT INTO "fleetloom__tables" VALUES (systimestamp(), 'cold_events', 'retained', 'cold', 'events', false)`,
  ]
  assert.deepEqual([leaving('Retain', false), leaving('Retain', true)], [kept, kept])
  const retained = aHave({ mark: { ...mark, uid: 'retained' } })
  assert.deepEqual([leaving('Delete', true, retained), leaving('Retain', true, retained)], [[], []])
})

test('what is not ours, or not there, is not dropped', () => {
  assert.deepEqual(leaving('Delete', true, aHave({ mark: undefined })), [])
  assert.deepEqual(leaving('Delete', true, aHave({ stands: undefined, table: undefined })), [])
})
