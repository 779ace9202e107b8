import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../kit/until.ts'
import { prepareLoad, untilComplete } from './ingest-load.ts'
import { batchesOf, type Ingest, metric, startIngestUnderTest } from './ingest-under-test.ts'

const FLEET = { namespace: 'wide', name: 'fleet' }

test('a fleet with two sessions is shared between replicas; with one again nothing is left behind', {
  timeout: 90_000,
}, async () => {
  await using under = await startIngestUnderTest()
  const ingests = [
    await under.startIngest('ingest-a', { PROBE_MS: '300' }),
    await under.startIngest('ingest-b', { PROBE_MS: '300' }),
  ]
  const document = await under.makeFleet(FLEET, { sessions: 2 })
  await until(
    async () => {
      const states = await Promise.all([0, 1].map((session) => under.applied(FLEET, session)))
      return states.every((state) => state?.state === 'Subscribed')
    },
    { what: 'both sessions to subscribe', deadlineMs: 20_000 },
  )
  const load = await (await prepareLoad(under, document))({ rate: 10_000 })
  const taken = async () => Promise.all(ingests.map((ingest) => metric(ingest, 'fleetloom_ingest_messages_total')))
  await until(async () => (await taken()).reduce((sum, n) => sum + n, 0) > 2_000, {
    what: 'messages',
    deadlineMs: 20_000,
  })
  await until(
    async () => {
      const marks = (await batchesOf(under, document)).filter(({ info }) => info.progressMs !== undefined)
      return new Set(marks.map(({ info, shard }) => `${info.session} ${shard}`)).size === 8
    },
    { what: 'a mark of each session in each shard', deadlineMs: 20_000, everyMs: 300 },
  )
  const single = { ...document, generation: 2, sessions: 1, surplusSessions: 1 }
  const holders = await Promise.all([0, 1].map(async (session) => (await under.applied(FLEET, session))?.replica))
  assert.deepEqual(holders, ['ingest-a', 'ingest-b'], 'a session for each, as these names fall')
  const [remaining, leaving] = ingests as [Ingest, Ingest]
  // The one that remains hears of it only when the other has gone.
  process.kill(remaining.pid as number, 'SIGSTOP')
  try {
    await under.putDocument(single)
    await until(async () => (await metric(leaving, 'fleetloom_ingest_connected')) === 0, {
      what: 'the surplus session to end',
      deadlineMs: 20_000,
    })
  } finally {
    process.kill(remaining.pid as number, 'SIGCONT')
  }
  await under.untilSubscribed(single)
  await until(
    async () => {
      const held = await Promise.all(ingests.map((ingest) => metric(ingest, 'fleetloom_ingest_connected')))
      return held.reduce((sum, n) => sum + n, 0) === 1
    },
    { what: 'the second session to end', deadlineMs: 20_000 },
  )
  const before = load.stats().acknowledged
  await until(() => load.stats().acknowledged > before + 2_000, { what: 'more messages', deadlineMs: 20_000 })
  const { missing, duplicates } = await untilComplete(under, document, await load.stop())
  assert.deepEqual([missing, duplicates], [0, 0])
})

test('sessions that are too many are emptied and ended also when nobody held them at the time', {
  timeout: 120_000,
}, async () => {
  await using under = await startIngestUnderTest()
  const ingest = await under.startIngest('ingest-a')
  const document = await under.makeFleet({ namespace: 'wide', name: 'away' }, { sessions: 2 })
  const state = async (session: number) => {
    const report = await under.applied(document, session)
    return `${report?.state} ${report?.generation}`
  }
  await until(async () => (await state(0)) === 'Subscribed 1' && (await state(1)) === 'Subscribed 1', {
    what: 'both sessions to subscribe',
  })
  const load = await (await prepareLoad(under, document))({ rate: 2_000 })
  await until(() => load.stats().acknowledged > 1_000, { what: 'messages' })
  await ingest.kill('SIGKILL')
  const before = load.stats().acknowledged
  await until(() => load.stats().acknowledged > before + 2_000, { what: 'messages that nobody takes' })
  const single = { ...document, generation: 2, sessions: 1, surplusSessions: 1 }
  await under.putDocument(single)
  await ingest.start()
  await until(async () => (await state(0)) === 'Subscribed 2' && (await state(1)) === 'Drained 2', {
    what: 'one session to go on and the other to end',
  })
  await under.putDocument({ ...single, surplusSessions: 0 })
  const after = load.stats().acknowledged
  await until(() => load.stats().acknowledged > after + 2_000, { what: 'more messages' })
  const { missing, duplicates } = await untilComplete(under, document, await load.stop())
  assert.deepEqual([missing, duplicates], [0, 0])
})
