/** A table of alerts that is dropped by hand comes back with what the stream of alerts still holds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../kit/until.ts'
import { startAlerting } from './alerting-under-test.ts'

test('a table of alerts dropped by hand has every transition again, each once, and goes on', async () => {
  await using under = await startAlerting()
  const { platform } = under
  await under.applyRule('warm', 'last(temperature) > 8.0')
  const told = ['firing', 'resolved by condition']
  const devices = ['d-1', 'd-2', 'd-3', 'd-4', 'd-5', 'd-6']
  await using stack = new AsyncDisposableStack()
  const senders = await Promise.all(devices.map(async (device) => stack.use(await under.sender(device))))
  const untilTold = (story: readonly string[]) =>
    under.untilStories('warm', Object.fromEntries(devices.map((device) => [device, story])), 60_000)
  const round = async (story: readonly string[]) => {
    for (const sender of senders) await sender.send(9)
    for (const sender of senders) await sender.send(1)
    await untilTold(story)
  }
  await round(told)
  const ids = async () => (await under.rows('warm')).map(({ id }) => id).sort()
  const before = await ids()
  for (let drop = 1; drop <= 2; drop++) {
    await platform.sql('DROP TABLE alerts')
    const isBack = async () => {
      assert.deepEqual(await ids(), before)
      return true
    }
    await until(isBack, { what: `the history after drop ${drop}`, deadlineMs: 60_000, everyMs: 250 })
  }
  await round([...told, ...told])
})
