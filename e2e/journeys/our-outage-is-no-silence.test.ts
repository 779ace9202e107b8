/**
 * Everything of ours stops while devices go on: nobody was silent but who truly was. FLEETLOOM_FULL=1 stops for 10 minutes; without
 * it for 40 s. A stop that is shorter than half a minute, and longer than `offlineAfter`, is another case: its gap in the marks counts as
 * time in which devices could be heard.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { every } from '../kit/every.ts'
import type { Platform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { FLEET, shown, startAlerting } from './alerting-under-test.ts'

const OUTAGE_MS = process.env.FLEETLOOM_FULL === '1' ? 600_000 : 40_000
const SHORT_OUTAGE_MS = 18_000
const DEVICES = 5

const offlineDevices = async (platform: Platform): Promise<string[]> => {
  const rows = await platform.sql<{ device: string }>(`SELECT device FROM cold_events WHERE type = 'device_offline'`)
  return rows.map(({ device }) => device)
}

test('an outage of ours raises no alert of absence; a device that was silent in it and after raises one', async () => {
  await using under = await startAlerting({ spec: '  offlineAfter: 20s' })
  const { platform } = under
  await using stack = new AsyncDisposableStack()
  const devices = await Promise.all(Array.from({ length: DEVICES }, (_, i) => under.sender(`talks-${i}`)))
  for (const device of devices) stack.use(device)
  const silent = stack.use(await under.sender('silent'))
  await under.applyRule('away', 'offline()')
  await under.applyRule('missing', "absent(temperature, '20s')")
  stack.use(every(2_000, () => Promise.all(devices.map((device) => device.send(5)))))
  await silent.send(5)
  const untilOnline = (online: number) =>
    until(async () => (await shown(platform, 'DeviceFleet', FLEET))?.status?.devices?.online === online, {
      what: `${online} devices to be online`,
      deadlineMs: 60_000,
      everyMs: 300,
    })
  await untilOnline(DEVICES + 1)
  const ours = [platform.ingest, platform.writer, platform.alerter, platform.nats]
  for (const part of ours) await part.kill()
  await sleep(OUTAGE_MS)
  for (const part of ours.toReversed()) await part.start()
  await under.untilStories('away', { silent: ['firing'] }, 90_000)
  await under.untilStories('missing', { silent: ['firing'] })
  await untilOnline(DEVICES)
  for (const rule of ['away', 'missing'])
    assert.deepEqual(
      (await under.rows(rule)).map(({ device }) => device),
      ['silent'],
    )
  await silent.send(5)
  for (const rule of ['away', 'missing']) {
    await under.untilStories(rule, { silent: ['firing', 'resolved by condition'] })
    assert.equal((await under.rows(rule)).length, 2)
  }
})

test('a short outage of ingest raises no alert about a device that goes on; one that was silent in it is told', async () => {
  await using under = await startAlerting({ spec: '  offlineAfter: 20s' })
  const { platform } = under
  await using talks = await under.sender('talks')
  await using silent = await under.sender('silent')
  await under.applyRule('away', 'offline()')
  await under.applyRule('missing', "absent(temperature, '20s')")
  await using _ = every(1_000, () => talks.send(5))
  await silent.send(5)
  await until(async () => (await shown(platform, 'DeviceFleet', FLEET))?.status?.devices?.online === 2, {
    what: 'both devices to be online',
    deadlineMs: 60_000,
    everyMs: 300,
  })
  await platform.ingest.kill()
  await sleep(SHORT_OUTAGE_MS)
  await platform.ingest.start()
  for (const rule of ['away', 'missing']) await under.untilStories(rule, { silent: ['firing'] }, 60_000)
  await until(async () => (await offlineDevices(platform)).includes('silent'), {
    what: 'the silent device to be told offline',
    deadlineMs: 10_000,
    everyMs: 300,
  })
  for (const rule of ['away', 'missing'])
    assert.deepEqual(
      (await under.rows(rule)).map(({ device }) => device),
      ['silent'],
    )
  assert.deepEqual(await offlineDevices(platform), ['silent'])
})
