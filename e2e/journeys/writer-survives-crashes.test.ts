import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { WRITER_CONSUMER } from '@fleetloom/crds/names'
import { makeWriterConsumer } from '../kit/fleet-stream.ts'
import { until } from '../kit/until.ts'
import {
  applied,
  counts,
  deadLetters,
  metric,
  publishRows,
  startWriterUnderTest,
  untilRows,
} from './writer-under-test.ts'

const under = await startWriterUnderTest()
after(() => under[Symbol.asyncDispose]())

const LOAD = { rows: 60_000, perBatch: 200, perSecond: 10_000 }

const rowsOver = (document: Parameters<typeof counts>[1], n: number) =>
  until(async () => (await counts(under.questdb, document)).rows > n, {
    what: `more than ${n} rows`,
    deadlineMs: 30_000,
  })

test('the database is killed and comes back: every reading is there once', async () => {
  const writer = await under.startWriter()
  const document = await under.makeFleet({ namespace: 'plant', name: 'database' })
  const published = publishRows(under.client, document, LOAD)
  await rowsOver(document, 5_000)
  await under.questdb.kill()
  await until(async () => (await applied(under, document))?.observed.some(({ type }) => type === 'Backlogged'), {
    what: 'the condition to say that readings wait',
  })
  const ready = await fetch(`${writer.url}/readyz`)
  assert.equal(ready.status, 503)
  assert.match(await ready.text(), /"questdb":"(?!ok)/)
  await under.questdb.start()
  await published
  await untilRows(under, document, LOAD.rows)
  await until(async () => (await applied(under, document))?.observed.length === 0, { what: 'the condition to go' })
  assert.ok((await metric(writer, 'fleetloom_writer_retries_total')) > 0)
  await writer.kill('SIGTERM')
})

test('the writer is killed, twice, and stopped cleanly, once: every reading is there once', async () => {
  let writer = await under.startWriter()
  const document = await under.makeFleet({ namespace: 'plant', name: 'writer' })
  const published = publishRows(under.client, document, LOAD)
  for (const [rows, signal] of [
    [5_000, 'SIGKILL'],
    [15_000, 'SIGTERM'],
    [25_000, 'SIGKILL'],
  ] as const) {
    await rowsOver(document, rows)
    await writer.kill(signal)
    writer = await under.startWriter()
  }
  await published
  await untilRows(under, document, LOAD.rows, 60_000)
  await writer.kill('SIGTERM')
})

test('NATS is killed and comes back, and its consumer is deleted and made again', async () => {
  const writer = await under.startWriter()
  const document = await under.makeFleet({ namespace: 'plant', name: 'nats' })
  const published = publishRows(under.client, document, LOAD)
  await rowsOver(document, 5_000)
  await under.nats.kill()
  await under.nats.start()
  await rowsOver(document, 20_000)
  await under.client.jsm.consumers.delete(document.stream.name, WRITER_CONSUMER)
  await makeWriterConsumer(under.client, document)
  await published
  await untilRows(under, document, LOAD.rows)
  await writer.kill('SIGTERM')
})

test('two writers of one fleet do no harm, and one takes over from the other within seconds', async () => {
  const document = await under.makeFleet({ namespace: 'plant', name: 'two' })
  const writers = await Promise.all([under.startWriter(), under.startWriter()])
  const published = publishRows(under.client, document, LOAD)
  await rowsOver(document, 10_000)
  const owner = (await applied(under, document))?.replica ?? ''
  const ownerPid = Number(owner.split('-').at(-1))
  await writers.find(({ pid }) => pid === ownerPid)?.kill()
  await published
  await untilRows(under, document, LOAD.rows, 60_000)
  const next = (await applied(under, document))?.replica
  assert.notEqual(next, owner)
  await Promise.all(writers.map((writer) => writer.kill('SIGTERM')))
})

test('nothing of all this was set aside', async () => assert.deepEqual(await deadLetters(under.client), []))
