import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../http/problem.ts'
import { dryRunBody } from './schema.ts'
import { testFleet } from './testing.ts'
import { trialOf } from './trial.ts'

const PLACE = { namespace: 'coldchain', fleet: 'reefers', from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' }
const trial = (spec: object) => trialOf(dryRunBody.parse({ ...PLACE, ...spec }), testFleet)
const faultsOf = (body: object) =>
  dryRunBody.safeParse({ ...PLACE, ...body }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)

test('a rule is shown what it reads, and as much before as its windows hold', () => {
  const seen = (spec: object) => {
    const { measurements, events, leadMs } = trial(spec)
    return [measurements.map(({ name }) => name), events, leadMs]
  }
  assert.deepEqual(seen({ when: 'last(temperature) > 8' }), [['temperature'], [], 0])
  const two = { when: "avg(temperature, '5m') > 8", clearWhen: "last(door) == 'open'", for: '2m' }
  assert.deepEqual(seen(two), [['temperature', 'door'], [], 420_000])
  assert.deepEqual(seen({ when: "eventCount('x', '1h') > 2" }), [[], ['x'], 3_600_000])
  assert.deepEqual(seen({ when: 'offline()' }), [['temperature', 'door'], 'all', 300_000])
  assert.deepEqual(seen({ when: 'anomaly(temperature) > 0.9', for: '7d' }), [['temperature'], [], 86_400_000])
})

test('a bad rule is refused with the field, the place and the nearest name', () => {
  const attempt = () => trial({ when: 'last(temprature) > 8', annotations: { summary: '{{ valeu }}' } })
  assert.throws(attempt, (error) => {
    assert.ok(error instanceof Problem)
    assert.equal(error.status, 400)
    const [when, summary] = error.extra.errors ?? []
    assert.match(when?.reason ?? '', /temperature/)
    assert.deepEqual([when?.field, when?.value, when?.line, when?.column], ['when', 'last(temprature) > 8', 1, 6])
    assert.equal(summary?.field, 'annotations.summary')
    return true
  })
})

test('what is asked for has bounds, and a field that is not there is named', () => {
  const when = 'last(temperature) > 8'
  assert.equal(faultsOf({ when, notify: [{ alertmanager: {} }], suspend: true }), undefined)
  assert.deepEqual(faultsOf({ when, for: '8d' }), ['for: must be a duration from 0s to 7d, such as 90s or 5m'])
  assert.deepEqual(faultsOf({ when, from: '2025-11-01T00:00:00Z' }), ['from: must be at most 31 days before `to`'])
  assert.deepEqual(faultsOf({ when, from: '2999-01-01T00:00:00Z' }), ['from: must be before `to`, and in the past'])
  assert.deepEqual(faultsOf({ when, from: 'yesterday' }), ['from: must be a time such as 2026-01-31T12:00:00Z'])
  assert.match(faultsOf({ when, selector: { matchlabels: {} } })?.[0] ?? '', /matchlabels/)
  assert.match(faultsOf({ when, devices: Array.from({ length: 1001 }, (_, i) => `d${i}`) })?.[0] ?? '', /^devices: /)
})
