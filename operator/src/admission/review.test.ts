import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { aRule } from '../alert-rule/testing.ts'
import { type AdmissionReview, answer } from './review.ts'
import type { Known } from './verdict.ts'

const fleet = (...names: string[]) =>
  deviceFleetSpec.parse({ measurements: names.map((name) => ({ name, type: 'Double' })) })

/** Finds fault with a rule that reads a measurement which is not there. */
const check: Known['check'] = ({ when }, known) =>
  known?.measurements.some(({ name }) => when.includes(name)) === false
    ? [{ field: 'spec.when', message: `no such thing in ${when}` }]
    : []

const known = (change: Partial<Known> = {}): Known => ({
  check,
  fleet: async () => fleet('temperature'),
  rules: async () => [],
  conflict: () => undefined,
  ...change,
})

const review = (kind: string, spec: unknown, change: Partial<AdmissionReview['request']> = {}): AdmissionReview => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    ...{ uid: 'u-1', kind: { kind }, name: 'warm', namespace: 'cold', object: { metadata: {}, spec } },
    ...change,
  },
})

const responseTo = async (asked: AdmissionReview, change?: Partial<Known>) =>
  (await answer(known(change), asked)).response
const { spec: good } = aRule()
const { spec: bad } = aRule({ when: 'last(lux) > 3.0' })
const FINE = { uid: 'u-1', allowed: true }

test('a good rule is allowed', async () => {
  assert.deepEqual(await answer(known(), review('AlertRule', good)), {
    ...{ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' },
    response: FINE,
  })
})

test('a bad rule is refused as the API server refuses, each fault with its field', async () => {
  assert.deepEqual(await responseTo(review('AlertRule', bad)), {
    uid: 'u-1',
    allowed: false,
    status: {
      code: 422,
      status: 'Failure',
      reason: 'Invalid',
      message: 'spec.when: no such thing in last(lux) > 3.0',
      details: {
        ...{ group: 'fleetloom.io', kind: 'AlertRule', name: 'warm' },
        causes: [{ reason: 'FieldValueInvalid', field: 'spec.when', message: 'no such thing in last(lux) > 3.0' }],
      },
    },
  })
  assert.deepEqual(await responseTo(review('AlertRule', bad), { fleet: async () => undefined }), FINE)
})

test('a rule that would publish readings is refused by its topic', async () => {
  const { spec } = aRule({ notify: [{ mqtt: { topic: 'fleets/{namespace}/{fleet}/{device}/telemetry' } }] })
  const { status } = await responseTo(review('AlertRule', spec))
  assert.match(
    status?.message ?? '',
    /^spec\.notify\[0\]\.mqtt\.topic: fleets\/cold\/reefers\/\+\/telemetry overlaps with /,
  )
})

test('a rule that is too long is refused', async () => {
  const spec = { ...good, annotations: { summary: 'x'.repeat(33_000) } }
  const { status } = await responseTo(review('AlertRule', spec))
  assert.match(status?.message ?? '', /^spec: is \d+ bytes long as JSON, and 32768 are the most/)
})

test('a rule beyond the last that its fleet may have is refused; those that are there can be changed', async () => {
  const rules = async () => Array.from({ length: 1000 }, (_, i) => aRule({}, { name: `r-${i}` }))
  const { status } = await responseTo(review('AlertRule', good), { rules })
  assert.match(status?.message ?? '', /^spec\.fleet: fleet cold\/reefers has 200 rules, which is the most/)
  const changed = { oldObject: { metadata: {}, spec: { ...good, severity: 'info' } } }
  assert.deepEqual(await responseTo(review('AlertRule', good, changed), { rules }), FINE)
})

test('what does not change the spec, and what is being removed, is never held up', async () => {
  const before = { metadata: {}, spec: structuredClone(bad) }
  assert.deepEqual(await responseTo(review('AlertRule', bad, { oldObject: before })), FINE)
  const leaving = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' }, spec: bad }
  assert.deepEqual(await responseTo(review('AlertRule', bad, { object: leaving })), FINE)
  assert.deepEqual(await responseTo(review('AlertRule', bad, { object: null })), FINE)
  assert.deepEqual(await responseTo(review('Other', bad)), FINE)
})

test('a fleet that takes what a rule reads is allowed with a warning, and one of rules that were broken before is not blamed', async () => {
  const rules = [aRule(), aRule({ when: 'last(lux) > 1.0' }, { name: 'broken-before' })]
  const before = { metadata: {}, spec: fleet('temperature') }
  const asked = review('DeviceFleet', fleet('wind'), { oldObject: before })
  assert.deepEqual(await responseTo(asked, { rules: async () => rules }), {
    ...FINE,
    warnings: [
      "rule cold/too-warm can't be judged for this fleet: spec.when: no such thing in last(temperature) > 8.0",
    ],
  })
  const many = Array.from({ length: 11 }, (_, i) => aRule({}, { name: `r-${i}` }))
  const { warnings = [] } = await responseTo(asked, { rules: async () => many })
  assert.equal(warnings.length, 9)
  assert.equal(warnings.at(-1), 'and 3 rules more')
})

test('a fleet that asks for topics of another is refused in the words of its condition', async () => {
  const conflict: Known['conflict'] = (ref, filters) => `${ref.name}: ${filters[0]} overlaps`
  const { status } = await responseTo(review('DeviceFleet', fleet('wind')), { conflict })
  assert.equal(status?.message, 'spec.topics: warm: fleets/cold/warm/+/telemetry overlaps')
})
