import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import { play, stepsDue } from './player.ts'
import type { Message, Show } from './shows.ts'
import { SHOWS } from './shows.ts'

test('steps that were missed are caught up, but only the newest', () => {
  assert.deepEqual(stepsDue(6, 7), [7])
  assert.deepEqual(stepsDue(7, 7), [])
  assert.deepEqual(stepsDue(1, 4), [2, 3, 4])
  assert.deepEqual(stepsDue(0, 1_000), [991, 992, 993, 994, 995, 996, 997, 998, 999, 1_000])
})

const messagesOf = async (show: Show, device: string, count: number): Promise<Message[]> => {
  const messages: Message[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  using _player = play({
    show,
    device,
    log: createLogger('test', 'silent'),
    publish: (message) => messages.push(message) >= count && resolve(),
  })
  await promise
  return messages.slice(0, count)
}

const options = { speed: 36_000, hostDevice: 'here', hostIntervalMs: 1_000 }

test('a station plays an hour each tenth of a second, each with the moment it began', async () => {
  const show = await SHOWS.stations(options)
  const messages = await messagesOf(show, 'ballard', 3)
  const readings = messages.map(({ payload }) => JSON.parse(payload))
  assert.equal(messages[0]?.topic, 'fleets/weather/stations/ballard/telemetry')
  assert.deepEqual(Object.keys(readings[0]), ['ts', 'pressure', 'temperature', 'wind'])
  assert.deepEqual([readings[1].ts - readings[0].ts, readings[2].ts - readings[1].ts], [100, 100])
  assert.ok(Math.abs(readings[2].ts - Date.now()) < 5_000)
})

test('a city tells each measurement of a day in a message of its own', async () => {
  const show = await SHOWS.cities(options)
  const messages = await messagesOf(show, 'new-york', 5)
  assert.deepEqual(
    messages.map(({ topic }) => topic),
    ['precipitation', 'temp_max', 'temp_min', 'wind', 'weather'].map((last) => `sensors/new-york/${last}`),
  )
  for (const { payload } of messages.slice(0, 4)) assert.ok(Number.isFinite(Number(payload)))
  assert.match(messages[4]?.payload ?? '', /^[a-z]+$/)
})

test('this machine tells its load and what is used of its memory', async () => {
  const show = await SHOWS.host(options)
  const [message] = await messagesOf(show, 'here', 1)
  const { ts, load, memory_used } = JSON.parse(message?.payload ?? '{}')
  assert.equal(message?.topic, 'fleets/lab/hosts/here/telemetry')
  assert.ok(ts <= Date.now() && load >= 0 && memory_used > 0 && memory_used <= 100)
})
