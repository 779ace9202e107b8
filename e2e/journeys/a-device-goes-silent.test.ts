/** Presence: who is online shows in the fleet's status, on its events stream, and in rules. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { connectNats } from '@fleetloom/shared/nats'
import { readStored } from '@fleetloom/shared/stored'
import { every } from '../kit/every.ts'
import { until } from '../kit/until.ts'
import { type AlertingUnderTest, FLEET, shown, startAlerting } from './alerting-under-test.ts'

const names = namesOf()
let under: AlertingUnderTest

before(async () => {
  under = await startAlerting({ spec: '  offlineAfter: 10s' })
})
after(() => under[Symbol.asyncDispose]())

/** Types of the events of a device on the fleet's stream. */
const eventsOf = async (device: string): Promise<string[]> => {
  await using nats = await connectNats('test', under.platform.nats.settings())
  const page = { stream: names.stream(FLEET), subject: names.eventsSubject(FLEET), from: 1, limit: 1_000 }
  const lines = (await readStored(nats.jsm, page)).flatMap(({ data }) =>
    Buffer.from(data).toString().trim().split('\n'),
  )
  return lines.filter((line) => line.includes(`device=${device},`)).map((line) => /type=(\w+)/.exec(line)?.[1] ?? '')
}

const untilEvents = (device: string, expected: readonly string[]): Promise<unknown> =>
  until(
    async () => {
      assert.deepEqual(await eventsOf(device), expected)
      return true
    },
    { what: `the events of ${device}`, deadlineMs: 40_000, everyMs: 500 },
  )

const untilOnline = (online: number): Promise<unknown> =>
  until(
    async () => {
      const { status } = (await shown(under.platform, 'DeviceFleet', FLEET)) ?? {}
      assert.equal(status?.devices?.online, online)
      return true
    },
    { what: `${online} devices to be online`, deadlineMs: 40_000, everyMs: 300 },
  )

test('a device that falls silent goes offline, one that speaks again is online: each told once', async () => {
  await using quiet = await under.sender('quiet')
  await using talks = await under.sender('talks')
  await under.applyRule('silent', 'offline()')
  await under.applyRule('told', "eventCount('device_offline', '1h') > 0")
  await using _talking = every(2_000, () => talks.send(5))
  {
    await using _speaking = every(2_000, () => quiet.send(5))
    await untilEvents('quiet', ['device_online'])
    await untilOnline(2)
  }
  await untilEvents('quiet', ['device_online', 'device_offline'])
  await untilOnline(1)
  await under.untilStories('silent', { quiet: ['firing'], talks: [] })
  await under.untilStories('told', { quiet: ['firing'], talks: [] })
  await using _speakingAgain = every(2_000, () => quiet.send(5))
  await untilEvents('quiet', ['device_online', 'device_offline', 'device_online'])
  await untilOnline(2)
  await under.untilStories('silent', { quiet: ['firing', 'resolved by condition'], talks: [] })
  await untilEvents('talks', ['device_online'])
  await until(
    async () => {
      const rows = await under.platform.sql(
        `SELECT type, count() n FROM ${names.eventsTable('cold')} WHERE device = 'quiet' ORDER BY type`,
      )
      assert.deepEqual(rows, [
        { type: 'device_offline', n: 1 },
        { type: 'device_online', n: 2 },
      ])
      return true
    },
    { what: 'the events in their table', deadlineMs: 20_000, everyMs: 300 },
  )
})
