import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  alertLabels,
  MAX_SILENCES,
  type Matcher,
  matcher,
  pruned,
  readableSilences,
  type Silence,
  silenceFor,
} from './silence.ts'

const NOW = Date.parse('2026-01-01T12:00:00Z')
const HOUR = 3_600_000
const at = (ms: number) => new Date(ms).toISOString()

const alert = {
  namespace: 'coldchain',
  fleet: 'reefers',
  rule: 'too-warm',
  device: 'reefer-7',
  severity: 'critical',
  labels: { team: 'cold', device: 'forged' },
} as const

const silence = (matchers: Matcher[], change: Partial<Silence> = {}): Silence => ({
  id: 's1',
  matchers,
  startsAt: at(NOW - HOUR),
  endsAt: at(NOW + HOUR),
  author: 'ann',
  comment: '',
  createdAt: at(NOW - HOUR),
  ...change,
})

test('labels of the rule can not hide what the alert is', () => {
  assert.deepEqual(alertLabels(alert), {
    team: 'cold',
    alertname: 'too-warm',
    namespace: 'coldchain',
    fleet: 'reefers',
    device: 'reefer-7',
    severity: 'critical',
  })
})

test('a silence holds when all of its matchers do; a label that is not there is empty', () => {
  const cases: [Matcher[], boolean][] = [
    [[{ name: 'device', operator: '=', value: 'reefer-7' }], true],
    [[{ name: 'device', operator: '=', value: 'reefer' }], false],
    [[{ name: 'device', operator: '=~', value: 'reefer-.+' }], true],
    [[{ name: 'device', operator: '!~', value: 'reefer-.+' }], false],
    [[{ name: 'site', operator: '!=', value: 'oslo' }], true],
    [[{ name: 'site', operator: '=', value: '' }], true],
    [
      [
        { name: 'team', operator: '=', value: 'cold' },
        { name: 'severity', operator: '!=', value: 'critical' },
      ],
      false,
    ],
  ]
  for (const [matchers, expected] of cases)
    assert.equal(silenceFor([silence(matchers)], alert, NOW) !== undefined, expected, JSON.stringify(matchers))
})

test('a silence holds from its start until just before its end', () => {
  const all: Matcher[] = [{ name: 'alertname', operator: '=~', value: '.*' }]
  const held = (startsAt: number, endsAt: number) =>
    silenceFor([silence(all, { startsAt: at(startsAt), endsAt: at(endsAt) })], alert, NOW) !== undefined
  assert.deepEqual([held(NOW, NOW + 1), held(NOW - 1, NOW), held(NOW + 1, NOW + 2)], [true, false, false])
})

test('a matcher with a pattern that can not be read is refused by its value', () => {
  const { error } = matcher.safeParse({ name: 'device', operator: '=~', value: '(a+' })
  assert.deepEqual(
    error?.issues.map(({ path }) => path),
    [['value']],
  )
})

test('ended silences go after a week, and before it when there are too many', () => {
  const all: Matcher[] = [{ name: 'alertname', operator: '=~', value: '.*' }]
  const ended = (id: string, agoMs: number) => silence(all, { id, endsAt: at(NOW - agoMs) })
  assert.deepEqual(
    pruned([ended('old', 8 * 24 * HOUR), ended('recent', HOUR), silence(all)], NOW).map(({ id }) => id),
    ['recent', 's1'],
  )
  const many = Array.from({ length: MAX_SILENCES }, (_, i) => silence(all, { id: `active-${i}` }))
  assert.deepEqual(
    pruned([ended('a', 2 * HOUR), ended('b', HOUR), ...many.slice(1)], NOW)
      .map(({ id }) => id)
      .slice(0, 2),
    ['b', 'active-1'],
  )
})

test('a silence that can not be read holds back nothing, and those beside it what they should', () => {
  const good = silence([{ name: 'device', operator: '=', value: 'reefer-7' }])
  const newer = { ...good, id: 'newer', matchers: [{ name: 'device', operator: '~~', value: 'x' }] }
  assert.deepEqual(readableSilences({ version: '1.1', silences: [newer, good] }), [good])
  assert.deepEqual(readableSilences('nonsense'), [])
})
