import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  alertLabels,
  MAX_PATTERN_MATCHERS,
  MAX_SILENCES,
  type Matcher,
  matcher,
  pruned,
  readableSilences,
  type Silence,
} from './silence.ts'
import { readySilences, silenceFor } from './silencing.ts'

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

const heldBy = (silences: readonly Silence[], of: Parameters<typeof silenceFor>[1] = alert) =>
  silenceFor(readySilences(silences, NOW), of, NOW)

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
    assert.equal(heldBy([silence(matchers)]) !== undefined, expected, JSON.stringify(matchers))
})

test('a silence holds from its start until just before its end', () => {
  const all: Matcher[] = [{ name: 'alertname', operator: '=~', value: '.*' }]
  const held = (startsAt: number, endsAt: number) =>
    heldBy([silence(all, { startsAt: at(startsAt), endsAt: at(endsAt) })]) !== undefined
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
  const record = JSON.stringify({ version: '1.1', silences: [newer, good] })
  assert.deepEqual(readableSilences(record), [good])
  assert.deepEqual(readableSilences('"nonsense"'), [])
  const broken = silence([{ name: 'device', operator: '!~', value: '(a' }])
  assert.equal(heldBy([broken, good])?.id, good.id)
  assert.equal(heldBy([broken]), undefined)
})

test('patterns beyond the bound of a namespace hold back nothing', () => {
  const some: Matcher = { name: 'device', operator: '=~', value: '.*' }
  const sixteen = (id: string) => silence(Array(16).fill(some), { id, startsAt: at(NOW + 1) })
  const full = Array.from({ length: Math.floor(MAX_PATTERN_MATCHERS / 16) }, (_, i) => sixteen(`s${i}`))
  const left = MAX_PATTERN_MATCHERS % 16
  assert.equal(heldBy([...full, silence(Array(left).fill(some))])?.id, 's1')
  assert.equal(heldBy([...full, silence(Array(left + 1).fill(some))]), undefined)
  const ended = full.map((one) => ({ ...one, startsAt: at(NOW - HOUR), endsAt: at(NOW) }))
  assert.equal(heldBy([...ended, silence(Array(16).fill(some))])?.id, 's1')
})

test('the worst patterns that a namespace may have hold up nobody for long', () => {
  const worst = (i: number): Matcher => ({ name: 'note', operator: '!~', value: `[ab]*a[ab]{40}q${i}` })
  const silences = Array.from({ length: 200 }, (_, i) => {
    const matchers = Array.from({ length: 16 }, (_, k) => worst(16 * i + k))
    return silence([...matchers.slice(1), { ...worst(16 * i), operator: '=~' }], { id: `s${i}` })
  })
  const note = Array.from({ length: 256 }, (_, i) => ((i * i * i) % 11 < 5 ? 'a' : 'b')).join('')
  const ready = readySilences(silences, NOW)
  const tookMs = Array.from({ length: 4 }, () => {
    const startMs = performance.now()
    assert.equal(silenceFor(ready, { ...alert, labels: { note } }, NOW), undefined)
    return performance.now() - startMs
  })
  assert.ok(Math.min(...tookMs) < 1_000, `${tookMs} ms`)
})
