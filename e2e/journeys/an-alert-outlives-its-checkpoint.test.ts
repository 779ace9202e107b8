/** A checkpoint that can't be used, and a stream that holds little: what fires goes on, and ends when it should. */
import { test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { allRecords, recordFilter } from '@fleetloom/shared/alerts/records'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { until } from '../kit/until.ts'
import { FLEET, startAlerting } from './alerting-under-test.ts'

const names = namesOf()
const HOT = 'last(temperature) > 8.0'

/** Takes a chunk away from the checkpoint of each shard. */
const breakCheckpoints = async (nats: Nats): Promise<void> => {
  const kv = await nats.bucket(names.buckets.alerts)
  const keys = await Array.fromAsync(await kv.keys('checkpoint.>'))
  const chunks = keys.filter((key) => key.split('.').length > 4)
  if (chunks.length === 0) throw new Error('there is no checkpoint')
  for (const chunk of chunks) await kv.delete(chunk)
}

const checkpointed = async (nats: Nats): Promise<boolean> => {
  const kv = await nats.bucket(names.buckets.alerts)
  return (await Array.fromAsync(await kv.keys('checkpoint.>'))).length > 0
}

const firing = async (nats: Nats): Promise<number> =>
  (await Array.fromAsync(allRecords(nats.jsm, names.buckets.alerts, recordFilter('firing')))).length

test('alerts that fire while their checkpoint is lost go on, and resolve by their condition or with what made them', async () => {
  await using under = await startAlerting()
  const { platform } = under
  await using nats = await connectNats('test', platform.nats.settings())
  await using a = await under.sender('a')
  await using b = await under.sender('b')
  for (const rule of ['hot', 'leaves']) await under.applyRule(rule, HOT)
  for (const sender of [a, b]) await sender.send(9)
  for (const rule of ['hot', 'leaves']) await under.untilStories(rule, { a: ['firing'], b: ['firing'] })
  await until(async () => (await firing(nats)) === 4, { what: 'four records' })
  await until(() => checkpointed(nats), { what: 'a checkpoint' })

  await platform.alerter.kill('SIGKILL')
  await breakCheckpoints(nats)
  await nats.jsm.streams.purge(names.stream(FLEET))
  under.removeRule('leaves')
  await a.send(5)
  await platform.alerter.start()

  const left = 'resolved by rule-removed'
  await under.untilStories('hot', { a: ['firing', 'resolved by condition'], b: ['firing'] })
  await under.untilStories('leaves', { a: ['firing', left], b: ['firing', left] })
  await b.send(5)
  await under.untilStories('hot', { b: ['firing', 'resolved by condition'] })
  await until(async () => (await firing(nats)) === 0, { what: 'no record to be left' })
})
