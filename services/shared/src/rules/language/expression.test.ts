import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Value } from '../need.ts'
import { checkExpression, compileExpression, type Expression } from './expression.ts'
import { DEVICES, judge, SCHEMA } from './testing/fleet.ts'

const compiled = (text: string): Expression => {
  const result = compileExpression(text, SCHEMA)
  if ('fault' in result) assert.fail(`${text}: ${result.fault.message}`)
  return result.ok
}

/** Readings of the device in the table below. */
const READINGS: Readonly<Record<string, Value>> = {
  'last(temperature)': 8.5,
  'last(count)': 7,
  'last(door)': 'closed',
  'last(note)': 'päckchen 😀',
  'last(on)': true,
  'avg(temperature, 60s)': 8.25,
  "avg(temperature, '60s')": 8.25,
  "percentile(temperature, 0.95, '300s')": 9,
  "eventCount('login_failed', '300s')": 21,
  "eventAnomaly('login_failed')": 0.7,
  "absent(temperature, '600s')": false,
  'offline()': false,
  'anomaly(temperature)': 0.95,
  'last(loop)': 1,
}

const RESULTS: readonly (readonly [text: string, result: boolean | undefined])[] = [
  ["avg(temperature, '1m') > 8.0 && last(door) == 'closed'", true],
  ["avg(temperature, '60s') < 8.0", false],
  ["percentile(temperature, 0.95, '5m') >= 9", true],
  ["eventCount('login_failed', '5m') > 20 && eventAnomaly('login_failed') > 0.5", true],
  ["absent(temperature, '10m') || offline()", false],
  ['anomaly(temperature) > 0.9', true],
  ["last('loop') == 1", true],
  // Numbers are of one kind.
  ['last(count) > 5', true],
  ['last(count) == 7.0', true],
  ['last(count) / 2 == 3.5', true],
  ['last(count) % 4 == 3 && -last(count) % 4 == -3', true],
  ['last(temperature) + 1 * 2 - 0.5 == 10', true],
  ['(last(temperature) + 1) * 2 == 19', true],
  ['0x10 == last(count) + 9', true],
  ['1e3 > last(count)', true],
  // Errors, and what absorbs them.
  ['last(count) / 0 > 1', undefined],
  ['last(count) % 0 == 0', undefined],
  ['last(count) * 1e308 > 1', undefined],
  ["sum(temperature, '1m') > 1", undefined],
  ["sum(temperature, '1m') > 1 || last(on)", true],
  ["last(on) || sum(temperature, '1m') > 1", true],
  ["sum(temperature, '1m') > 1 || !last(on)", undefined],
  ["!last(on) || sum(temperature, '1m') > 1", undefined],
  ["sum(temperature, '1m') > 1 && !last(on)", false],
  ["!last(on) && sum(temperature, '1m') > 1", false],
  ["sum(temperature, '1m') > 1 && last(on)", undefined],
  ["last(on) && sum(temperature, '1m') > 1", undefined],
  ["!(sum(temperature, '1m') > 1)", undefined],
  ["last(on) ? true : sum(temperature, '1m') > 1", true],
  ["sum(temperature, '1m') > 1 ? true : true", undefined],
  ["last(count) in [7, sum(temperature, '1m')]", undefined],
  // Texts, lists, labels.
  ["last(door) in ['open', 'closed']", true],
  ["last(door) in ['open', 'ajar',]", false],
  ['last(on) in [false, last(on)]', true],
  ["last(door).startsWith('clo') && last(door).endsWith('sed') && last(door).contains('los')", true],
  ["last(door).matches('^(clo|op)') && !last(door).matches('^lo')", true],
  ["last(door).matches('los')", true],
  ["device.matches(r'^truck-\\d$') && device.matches('^truck-\\\\d$') && last(on)", true],
  ["last(note).size() == 10 && size(last(note)) == 10 && last(note).endsWith('\\U0001F600')", true],
  ["last(door) + '-' + device == 'closed-truck-1'", true],
  ['last(door) < "d" && last(door) >= \'c\'', true],
  ["labels.zone == 'a' && labels['fleetloom.io/site'] == 'north' && last(on)", true],
  ["labels.none == 'a' && last(on)", undefined],
  ["labels.constructor == 'a' && last(on)", undefined],
  ["has(labels.zone) && !has(labels.none) && !has(labels.constructor) && 'zone' in labels && last(on)", true],
  ["('none' in labels ? labels.none : 'x') == 'x' && last(on)", true],
  ["device.matches('^truck-[0-9]+$') && last(on)", true],
  ['last(on) == true ? 1 < 2 : 2 < 1', true],
  ['last(on) // a comment\n && true', true],
  ['last(on) != (2 > 3)', true],
]

for (const [text, result] of RESULTS)
  test(`${text} is ${result}`, () => assert.equal(judge(compiled(text), READINGS), result))

test('what an expression can cost is bounded: texts that it makes, and the steps of its patterns', () => {
  const long = { ...READINGS, 'last(note)': 'x'.repeat(600) }
  assert.equal(judge(compiled("(last(note) + last(note)).contains('x')"), long), undefined)
  assert.equal(judge(compiled("(last(note) + 'y').contains('xy')"), long), true)
  const pattern = (steps: number) => `last(door).matches('${'a'.repeat(steps)}')`
  assert.equal(checkExpression(`${pattern(40)} || ${pattern(40)}`, undefined), undefined)
  const { message } = checkExpression(`${pattern(40)} || ${pattern(90)}`, undefined) ?? {}
  assert.match(message ?? '', /^the patterns of the expression repeat too much \(1\d\d steps, at most 100\) at line 1/)
})

test('needs are collected once each, in the order of the text', () => {
  const { needs, valueNeed, reads } = compiled(
    "last(door) == 'open' && avg(temperature, '1m') > 8 && avg('temperature', '60s') < count(door, '1h') && offline()",
  )
  assert.deepEqual(needs, [
    { fn: 'last', measurement: 'door' },
    { fn: 'avg', measurement: 'temperature', windowMs: 60_000 },
    { fn: 'count', measurement: 'door', windowMs: 3_600_000 },
    { fn: 'offline' },
  ])
  assert.equal(valueNeed, 1)
  assert.deepEqual(reads, ['door', 'temperature'])
})

test('every function becomes the need that it names', () => {
  const calls = [
    ["min(count, '1s')", { fn: 'min', measurement: 'count', windowMs: 1000 }],
    ["max(count, '24h')", { fn: 'max', measurement: 'count', windowMs: 86_400_000 }],
    ["rate(count, '90s')", { fn: 'rate', measurement: 'count', windowMs: 90_000 }],
    ["delta(count, '1d')", { fn: 'delta', measurement: 'count', windowMs: 86_400_000 }],
    ["stddev(count, '1m')", { fn: 'stddev', measurement: 'count', windowMs: 60_000 }],
    ["percentile(count, 1, '1m')", { fn: 'percentile', measurement: 'count', q: 1, windowMs: 60_000 }],
    ["eventCount('door', '1m')", { fn: 'eventCount', type: 'door', windowMs: 60_000 }],
    ["eventAnomaly('door')", { fn: 'eventAnomaly', type: 'door' }],
    ['anomaly(count)', { fn: 'anomaly', measurement: 'count' }],
  ] as const
  for (const [call, need] of calls) {
    const { needs, valueNeed } = compiled(`${call} > 1`)
    assert.deepEqual([needs, valueNeed], [[need], 0])
  }
  const { needs, valueNeed } = compiled("absent(note, '1m') || last(on)")
  const wanted = [
    { fn: 'absent', measurement: 'note', windowMs: 60_000 },
    { fn: 'last', measurement: 'on' },
  ]
  assert.deepEqual([needs, valueNeed], [wanted, undefined])
})

test('each device is judged by its own readings', () => {
  const { bind } = compiled("last(temperature) > 8 && device == 'truck-1'")
  const judgeDevice = bind([(device) => [9, 7, undefined][device]], {
    ...DEVICES,
    id: (device) => (device === 1 ? 'truck-2' : 'truck-1'),
  })
  assert.deepEqual([0, 1, 2].map(judgeDevice), [true, false, undefined])
})

test('binding with a reader missing is refused at once', () => {
  const { bind } = compiled('last(temperature) > last(count)')
  assert.throws(() => bind([() => 1], DEVICES), RangeError)
})

test('without a schema only what needs none is checked', () => {
  for (const text of [
    "avg(anything, '1m') > last(other)",
    'last(x)',
    "last(x) == 'a' && last(y) > 1",
    '-last(x) + 1 > 2',
  ])
    assert.equal(checkExpression(text, undefined), undefined, text)
  const faults = ["avg(x, '2d') > 1", 'avgg(x) > 1', 'last(x) >', "last(x) > 'a' + 1", "last(x) + ' C'"].map(
    (text) => checkExpression(text, undefined)?.message,
  )
  assert.deepEqual(faults, [
    "the window '2d' is longer than 24h at line 1, column 8",
    'unknown function avgg at line 1, column 1; did you mean avg?',
    'the expression ends too early at line 1, column 10; a value is missing',
    '+ adds two numbers or two texts, and here are a text and a number at line 1, column 11',
    "the expression is a text and not a condition at line 1, column 1; compare it, as in last(door) == 'open'",
  ])
})
