import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ruleDocumentOf } from '../../alerts/testing.ts'
import { fleetDocumentOf } from '../../pipeline/testing.ts'
import { enginePorts } from '../ports.ts'
import { ShardEngine } from './engine.ts'

const START_MS = 1_700_000_000_000
const DEVICE = 'd'.repeat(128)

const fleet = fleetDocumentOf({ namespace: 'cold', name: 'reefers' }, { shards: 1 })

const many = (name: string, text: string) =>
  Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`${name}${i}`, text]))

const rule = ruleDocumentOf(fleet, {
  name: 'hot',
  labels: many('l', '{{labels.x}}'.repeat(21)),
  annotations: many('a', '{{device}}'.repeat(102)),
})

test('the longest templates over the longest names make a transition of bounded size', () => {
  const engine = new ShardEngine(fleet, { ports: enginePorts, shard: 0, eventsTable: 'cold_events' })
  engine.setRule(rule)
  engine.setDevice(DEVICE, { labels: { x: 'y'.repeat(63) } })
  const row = `${fleet.table},device=${DEVICE} temperature=9,digest=1i ${START_MS}000000\n`
  engine.take({ body: Buffer.from(row), storedMs: START_MS })
  const told = engine.drain()
  assert.equal(told.length, 1)
  assert.ok(JSON.stringify(told).length < 20 * 1024, `${JSON.stringify(told).length} characters`)
})
