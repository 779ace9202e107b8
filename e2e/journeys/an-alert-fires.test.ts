/** From a reading to the history: a rule is applied, and a device crosses its thresholds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAlerting } from './alerting-under-test.ts'

test('a reading above the threshold fires, one below resolves, each once and with the value that did it', async () => {
  await using under = await startAlerting()
  await using device = await under.sender('r-1')
  await under.applyRule('hot', 'last(temperature) > 8.0', { clearWhen: 'last(temperature) < 7.0' })
  for (const temperature of [5, 9, 7.5, 9.5, 6, 5]) await device.send(temperature)
  await under.untilStories('hot', { 'r-1': ['firing', 'resolved by condition'] })
  assert.deepEqual(
    (await under.rows('hot')).map(({ value }) => value),
    [9, 6],
  )
})
