/** A noisy series around the threshold. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAlerting } from './alerting-under-test.ts'

/** Rises from 6 through the threshold of 8 and falls again, with noise that crosses it many times. */
const series = (): number[] =>
  Array.from({ length: 120 }, (_, i) => 6 + 2.6 * Math.sin((Math.PI * i) / 119) + (i % 2 === 0 ? 0.7 : -0.7))

test('with clearWhen and keepFiringFor there is one alert, without there are many', async () => {
  await using under = await startAlerting()
  await using one = await under.sender('noisy')
  await under.applyRule('bare', 'last(temperature) > 8.0')
  await under.applyRule('damped', 'last(temperature) > 8.0', {
    clearWhen: 'last(temperature) < 7.5',
    keepFiringFor: '200ms',
  })
  const readings = series()
  for (const temperature of readings) {
    await one.send(temperature)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  const crossings = readings.filter((t, i) => t > 8 !== (readings[i - 1] ?? 0) > 8).length
  assert.ok(crossings >= 20, `${crossings} crossings`)
  const bare = Array.from({ length: crossings }, (_, i) => (i % 2 === 0 ? 'firing' : 'resolved by condition'))
  await under.untilStories('bare', { noisy: bare })
  await under.untilStories('damped', { noisy: ['firing', 'resolved by condition'] })
})
