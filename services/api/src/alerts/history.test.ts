import assert from 'node:assert/strict'
import { test } from 'node:test'
import { historyPage, historySql } from './history.ts'
import { historyQuery } from './schema.ts'

const COLUMNS =
  'SELECT cast(ts AS LONG) micros, id, namespace, fleet, rule, device, "from", "to", cause, severity, value, ' +
  'cast(firing_since AS LONG) firing_since, labels, annotations FROM "alerts"'

test('a query without filters asks for the newest of what the caller may see, and one more', () => {
  const sql = historySql('alerts', ['a', 'b'], historyQuery.parse({}))
  assert.equal(sql, `${COLUMNS} WHERE namespace IN ('a', 'b') ORDER BY ts DESC, id LIMIT 101`)
})

test('every filter becomes a condition, and the next page begins after the last row', () => {
  const query = historyQuery.parse({
    ...{ fleet: 'reefers', rule: 'too-warm', device: 'r-7', severity: 'critical', state: 'firing' },
    ...{ from: '2026-01-01T00:00:00Z', to: '2026-01-02T01:00:00+01:00', limit: '2', continue: 'h1767225600000001-ab' },
  })
  assert.equal(
    historySql('alerts', '*', query),
    `${COLUMNS} WHERE "fleet" = 'reefers' AND "rule" = 'too-warm' AND "device" = 'r-7' AND "severity" = 'critical' AND "to" = 'firing'` +
      " AND ts >= '2026-01-01T00:00:00.000000Z' AND ts < '2026-01-02T00:00:00.000000Z'" +
      " AND ts <= '2026-01-01T00:00:00.000001Z'" +
      " AND (ts < '2026-01-01T00:00:00.000001Z' OR (ts = '2026-01-01T00:00:00.000001Z' AND id > 'ab'))" +
      ' ORDER BY ts DESC, id LIMIT 3',
  )
})

test('what could end a literal is refused before it becomes one', () => {
  for (const query of [{ device: "x'--" }, { rule: "a' OR '1" }, { fleet: "'" }, { continue: "h1-'" }, { from: "1'" }])
    assert.equal(historyQuery.safeParse(query).success, false, JSON.stringify(query))
})

test('a word that is none of a list is refused with the list', () => {
  for (const [field, words] of [
    ['state', 'inactive, pending, firing, resolved'],
    ['severity', 'info, warning, critical'],
  ] as const)
    assert.deepEqual(
      historyQuery.safeParse({ [field]: 'nonsense' }).error?.issues.map(({ message }) => message),
      [`must be one of ${words}`],
    )
})

test('a page that is full tells where the next one begins', () => {
  const row = (micros: number, id: string) => ({
    ...{ micros, id, namespace: 'ns', fleet: 'f', rule: 'r', device: 'd', from: 'inactive', to: 'firing' },
    ...{
      cause: 'condition',
      severity: 'info',
      value: null,
      firing_since: null,
      labels: '{"a":"b"}',
      annotations: null,
    },
  })
  assert.deepEqual(historyPage([row(2_000_000, 'aa'), row(1_000_000, 'bb')], 1), {
    items: [
      {
        ...{ id: 'aa', namespace: 'ns', fleet: 'f', rule: 'r', device: 'd', from: 'inactive', to: 'firing' },
        ...{
          cause: 'condition',
          severity: 'info',
          at: '1970-01-01T00:00:02.000000Z',
          labels: { a: 'b' },
          annotations: {},
        },
      },
    ],
    continue: 'h2000000-aa',
  })
  assert.equal('continue' in historyPage([row(1, 'aa')], 1), false)
})
