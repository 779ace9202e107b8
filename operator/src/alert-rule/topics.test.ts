import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { aRule } from './testing.ts'
import { topicFaults } from './topics.ts'

const fleet = deviceFleetSpec.parse({
  topics: { telemetry: ['sensors/{device}/{measurement}'], events: ['sensors/{device}/events/all'] },
  measurements: [{ name: 'wind', type: 'Double' }],
})
const none = () => undefined
const ruleOn = (...topics: string[]) => aRule({ notify: topics.map((topic) => ({ mqtt: { topic } })) })

test('no rule publishes where its fleet reads: an alert would be a reading or an event of a device', () => {
  assert.deepEqual(topicFaults(ruleOn('alerts/{device}', 'sensors/{device}/wind'), { fleet, conflict: none }), [
    {
      field: 'spec.notify[1].mqtt.topic',
      message:
        'sensors/+/wind overlaps with sensors/{device}/{measurement}: an alert there would be stored in the name of a device of fleet cold/reefers; use another topic',
    },
  ])
  assert.equal(topicFaults(ruleOn('sensors/{device}/events/all'), { fleet, conflict: none }).length, 1)
})

test('topics where devices listen, and those of nobody, are free', () => {
  const free = ruleOn('fleets/{namespace}/{fleet}/{device}/alerts', 'fleets/{namespace}/{fleet}/{device}/commands')
  assert.deepEqual(topicFaults(free, { fleet, conflict: none }), [])
  assert.deepEqual(topicFaults(ruleOn('sensors/{device}/wind'), { fleet: undefined, conflict: none }), [])
})

test('no rule publishes on a topic of another fleet, in the words of whoever keeps the claims', () => {
  const conflict = ({ name }: { name: string }, filters: readonly string[]) => `${name}: ${filters} is taken`
  assert.deepEqual(topicFaults(ruleOn('plants/{device}/wind'), { fleet, conflict }), [
    { field: 'spec.notify[0].mqtt.topic', message: 'reefers: plants/+/wind is taken' },
  ])
})
