import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createFleetMetrics } from './metrics.ts'

test('rows are counted by what became of them', async () => {
  const registry = new Registry()
  const metrics = createFleetMetrics(registry, { underWay: () => 0, shards: () => 0 })
  metrics.read('taken', 3)
  metrics.read('late', 1)
  metrics.read('late', 2)
  const text = await registry.getSingleMetricAsString('fleetloom_alerter_rows_total')
  assert.match(text, /\{outcome="taken"\} 3\n/)
  assert.match(text, /\{outcome="late"\} 3$/)
})
