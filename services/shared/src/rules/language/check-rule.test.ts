import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkRule } from './check-rule.ts'
import { SCHEMA } from './testing/fleet.ts'

const RULE = {
  when: "avg(temperature, '1m') > 8.0 && last(door) == 'closed'",
  clearWhen: "avg(temperature, '1m') < 7.0",
  labels: { team: 'cold', site: '{{ labels.site }}' },
  annotations: { summary: '{{ device }} is at {{ value }} Cel' },
}

test('a good rule has no faults', () => {
  const { clearWhen: _, ...short } = RULE
  for (const rule of [RULE, short]) assert.deepEqual(checkRule(rule, { measurements: SCHEMA }), [])
})

test('each bad field is named, with its first fault', () => {
  const bad = {
    when: "avg(temprature, '1m') > 8",
    clearWhen: 'avg(door)',
    labels: { team: '{{ devise }}' },
    annotations: { ...RULE.annotations, runbook: 'see {{ ' },
  }
  assert.deepEqual(checkRule(bad, { measurements: SCHEMA }), [
    {
      field: 'spec.when',
      message: 'unknown measurement temprature at line 1, column 5; did you mean temperature?',
      ...{ line: 1, column: 5, length: 10 },
    },
    {
      field: 'spec.clearWhen',
      message: "avg takes a measurement and a window at line 1, column 1; write avg(door, '5m')",
      ...{ line: 1, column: 1, length: 9 },
    },
    {
      field: 'spec.labels.team',
      message: 'unknown name devise at line 1, column 4; did you mean device?',
      ...{ line: 1, column: 4, length: 6 },
    },
    {
      field: 'spec.annotations.runbook',
      message: '{{ is not closed at line 1, column 5; write }} after the name',
      ...{ line: 1, column: 5, length: 2 },
    },
  ])
})

test('a rule whose fleet is not there yet is checked as far as it can be', () => {
  assert.deepEqual(checkRule({ ...RULE, when: 'last(anything) > 1' }, undefined), [])
  const [fault] = checkRule({ ...RULE, when: "avg(anything, '2d') > 1" }, undefined)
  assert.equal(fault?.message, "the window '2d' is longer than 24h at line 1, column 15")
})

test('a label can not hold the value, which changes while the alert fires', () => {
  assert.deepEqual(checkRule({ ...RULE, labels: { at: '{{ device }}-{{ value }}' } }, undefined), [
    {
      field: 'spec.labels.at',
      message:
        '{{ value }} changes while an alert fires at line 1, column 17; labels say which alert it is, so put it into an annotation',
      ...{ line: 1, column: 17, length: 5 },
    },
  ])
})
