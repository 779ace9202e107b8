import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../kit/until.ts'
import { prepareLoad, untilComplete } from './ingest-load.ts'
import { type Ingest, metric, startIngestUnderTest } from './ingest-under-test.ts'

const fleets = ['a', 'b', 'c', 'd'].map((name) => ({ namespace: 'shared', name }))

const connectedOf = (ingest: Ingest) => metric(ingest, 'fleetloom_ingest_connected')

/** Waits until the replicas hold all fleets between them, none twice. */
const untilHeld = (ingests: readonly Ingest[]) =>
  until(
    async () => {
      const held = await Promise.all(ingests.map(connectedOf))
      return held.reduce((sum, n) => sum + n, 0) === fleets.length
    },
    { what: 'each fleet to have one owner', deadlineMs: 20_000, everyMs: 200 },
  )

test('a replica that is killed and one that is added move fleets, and nothing is lost', {
  timeout: 120_000,
}, async () => {
  await using under = await startIngestUnderTest()
  const first = await under.startIngest('ingest-a')
  const second = await under.startIngest('ingest-b')
  const documents = []
  for (const fleet of fleets) documents.push(await under.makeFleet(fleet))
  for (const document of documents) await under.untilSubscribed(document)
  const starts = []
  for (const document of documents) starts.push(await prepareLoad(under, document))
  const loads = await Promise.all(starts.map((start) => start({ rate: 1_000 })))

  await untilHeld([first, second])
  assert.ok((await connectedOf(first)) < fleets.length || (await connectedOf(second)) < fleets.length)
  const sent = () => Math.min(...loads.map((load) => load.stats().acknowledged))
  const untilSent = (count: number) => until(() => sent() >= count, { what: `${count} messages`, deadlineMs: 30_000 })
  await untilSent(1_500)
  await second.kill()
  await untilHeld([first])
  await untilSent(sent() + 1_000)
  const third = await under.startIngest('ingest-c')
  await second.start()
  await untilHeld([first, second, third])
  await untilSent(sent() + 1_000)
  await first.kill('SIGTERM')
  await untilHeld([second, third])
  await untilSent(sent() + 1_000)

  for (const [i, load] of loads.entries()) {
    const result = await load.stop()
    const tally = await untilComplete(under, documents[i] as (typeof documents)[number], result)
    assert.deepEqual(tally, { missing: 0, duplicates: 0, reordered: 0 })
  }
})
