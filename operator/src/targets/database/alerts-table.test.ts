import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { ALERT_COLUMNS, ALERT_KEYS } from '@fleetloom/shared/alerts/alerts-table'
import { Stalling } from '../../loop/errors.ts'
import { type AlertsHave, alertsWant, planAlerts } from './alerts-table.ts'
import type { TableHave } from './shape.ts'

const want = alertsWant(namesOf(), 365 * 24)
const table: TableHave = {
  ...{ partitionBy: 'MONTH', ttl: '12mo', wal: true, suspended: undefined },
  columns: new Map(ALERT_COLUMNS),
  dedupKeys: ALERT_KEYS,
}
const inPlace: AlertsHave = { hasMarks: true, isMarked: true, exists: true, table }
const messages = (have: Partial<AlertsHave>) => planAlerts(want, { ...inPlace, ...have }).map(({ message }) => message)

test('the table is made once, after its mark', () => {
  const [change] = planAlerts(want, { hasMarks: false, isMarked: false, exists: false, table: undefined })
  assert.equal(change?.sql.length, 3)
  assert.match(change?.sql[1] ?? '', /^INSERT INTO "fleetloom__tables" .*'alerts', 'fleetloom', '', '', false\)$/)
  assert.match(
    change?.sql[2] ?? '',
    /^CREATE TABLE "alerts" \("ts" TIMESTAMP, "namespace" SYMBOL .*"device" SYMBOL CAPACITY 4096 CACHE, "from" SYMBOL .*PARTITION BY MONTH TTL 12 MONTHS WAL DEDUP UPSERT KEYS\("ts", "namespace", "rule", "device", "to"\)$/,
  )
  assert.deepEqual(messages({}), [])
})

test('what was changed by hand is put right', () => {
  const columns = new Map([...table.columns].filter(([name]) => name !== 'cause'))
  assert.deepEqual(messages({ table: { ...table, columns, ttl: '1mo', dedupKeys: [] } }), [
    'column cause SYMBOL',
    'dedup keys none → ts, namespace, rule, device, to',
    'ttl 1mo → 12mo',
  ])
})

test('a table that is not ours is refused', () => {
  const words = /table alerts in the database was not made by this installation; it is left alone/
  assert.throws(
    () => messages({ isMarked: false }),
    (error) => error instanceof Stalling && words.test(error.message),
  )
  assert.throws(() => messages({ table: undefined }), words)
})
