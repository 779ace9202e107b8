import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { WRITER_CONSUMER } from '@fleetloom/crds/names'
import { until } from '../kit/until.ts'
import { applied, lines, metric, publish, startWriterUnderTest, untilRows } from './writer-under-test.ts'

const under = await startWriterUnderTest()
after(() => under[Symbol.asyncDispose]())

const MiB = 1024 ** 2

const stream = async (name: string) => (await under.client.jsm.streams.info(name)).state

test('five times maxBytes with a healthy writer: not one publish is refused, and what is kept is consumed', async () => {
  const writer = await under.startWriter()
  const maxBytes = 8 * MiB
  const document = await under.makeFleet({ namespace: 'plant', name: 'healthy' }, { maxBytes })
  const perBatch = 500
  const batches = 5 * Math.ceil(maxBytes / lines(document.table, 0, perBatch).length)
  let fullest = 0
  /** Whether the writer is not far behind: what it has not read yet can be trimmed by nobody. */
  const isRead = async () => {
    const { bytes, messages } = await stream(document.stream.name)
    fullest = Math.max(fullest, bytes)
    const { num_pending, num_ack_pending } = await under.client.jsm.consumers.info(
      document.stream.name,
      WRITER_CONSUMER,
    )
    return (num_pending + num_ack_pending) * (bytes / messages) < maxBytes / 16
  }
  for (let i = 0; i < batches; i++) {
    await publish(under.client, document, lines(document.table, i * perBatch, perBatch))
    await until(isRead, { what: 'the writer to get on', everyMs: 5 })
  }
  await untilRows(under, document, batches * perBatch)
  assert.ok(fullest < maxBytes * 0.95, `${fullest} of ${maxBytes}`)
  assert.ok((await metric(writer, 'fleetloom_writer_trims_total')) > 0)
  assert.ok((await stream(document.stream.name)).messages > 0, 'young readings stay for other readers')
  await writer.kill('SIGTERM')
})

test('readings older than keep go, and with keep 0 all that is consumed goes', async () => {
  const writer = await under.startWriter()
  const document = await under.makeFleet({ namespace: 'plant', name: 'old' }, { keepMs: 0 })
  await publish(under.client, document, lines(document.table, 0, 100))
  await untilRows(under, document, 100)
  await until(async () => (await stream(document.stream.name)).messages === 0, {
    what: 'the stream to be empty',
    deadlineMs: 20_000,
  })
  await writer.kill('SIGTERM')
})

test('what is not in the database is never deleted: the stream fills, says so, refuses, and then all of it lands', async () => {
  const document = await under.makeFleet(
    { namespace: 'plant', name: 'unread' },
    { maxBytes: 4 * MiB, keepMs: 0, noTable: true },
  )
  const writer = await under.startWriter()
  const perBatch = 500
  let rows = 0
  await assert.rejects(async () => {
    for (;;) {
      await publish(under.client, document, lines(document.table, rows, perBatch))
      rows += perBatch
    }
  }, /maximum bytes exceeded/)
  await until(
    async () =>
      (await applied(under, document))?.observed.map(({ type }) => type).join() === 'Backlogged,StreamFilling',
    { what: 'the conditions to say that readings wait and the stream fills', deadlineMs: 20_000 },
  )
  assert.equal((await stream(document.stream.name)).first_seq, 1)
  assert.ok((await metric(writer, 'fleetloom_writer_stream_fill_ratio')) > 0.9)
  await under.makeTable(document)
  await untilRows(under, document, rows)
  await until(async () => (await stream(document.stream.name)).messages === 0, {
    what: 'room again',
    deadlineMs: 20_000,
  })
})
