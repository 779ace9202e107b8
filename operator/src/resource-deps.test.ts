import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkpointKey, fleetKey, ruleKey } from '@fleetloom/crds/names'
import { lookAtOwner } from './resource-deps.ts'

test('the resource of a document that went is looked at, and nobody for other keys', () => {
  const ref = { namespace: 'cold', name: 'reefers' }
  const looked: unknown[] = []
  for (const key of [fleetKey(ref), ruleKey(ref), checkpointKey(ref, 0), 'topic.x'])
    lookAtOwner((kind, { namespace, name }) => looked.push([kind, `${namespace}/${name}`]), key)
  assert.deepEqual(looked, [
    ['DeviceFleet', 'cold/reefers'],
    ['AlertRule', 'cold/reefers'],
  ])
})
