import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startOtlpReceiver } from '../kit/otlp.ts'
import { until } from '../kit/until.ts'
import {
  applied,
  counts,
  deadLetters,
  line,
  lines,
  publish,
  startWriterUnderTest,
  untilRows,
} from './writer-under-test.ts'

const under = await startWriterUnderTest()
after(() => under[Symbol.asyncDispose]())
const otlp = await startOtlpReceiver()
after(() => otlp[Symbol.asyncDispose]())
await under.startWriter({ OTLP_ENDPOINT: otlp.endpoint })

test('readings land once, however often they are delivered', async () => {
  const document = await under.makeFleet({ namespace: 'plant', name: 'once' })
  const body = lines(document.table, 0, 500)
  for (let i = 0; i < 3; i++) await publish(under.client, document, body)
  await publish(under.client, document, '')
  await untilRows(under, document, 500)
  const consumer = () => under.client.jsm.consumers.info(document.stream.name, 'writer')
  await until(async () => (await consumer()).ack_floor.stream_seq === 4, { what: 'all four to be acknowledged' })
})

test('a fleet whose document came before stream and table is written as soon as they stand', async () => {
  const document = await under.makeFleet({ namespace: 'plant', name: 'early' }, { noTable: true })
  await publish(under.client, document, lines(document.table, 0, 100))
  await until(
    async () => (await applied(under, document))?.observed.some(({ message }) => /does not exist/.test(message)),
    {
      what: 'the condition to name the missing table',
    },
  )
  await under.makeTable(document)
  await untilRows(under, document, 100)
  assert.deepEqual(await deadLetters(under.client), [], 'no good row may be set aside')
})

test('a batch of a newer generation waits for its document', async () => {
  const document = await under.makeFleet({ namespace: 'plant', name: 'newer' })
  await publish(under.client, document, lines(document.table, 0, 10))
  await untilRows(under, document, 10)
  const next = {
    ...document,
    generation: 2,
    measurements: [...document.measurements, { name: 'humidity', type: 'Double' as const }],
  }
  await publish(under.client, next, line(document.table, 10, 'humidity=4.5'))
  await until(async () => (await under.client.jsm.consumers.info(document.stream.name, 'writer')).num_redelivered > 0, {
    what: 'the batch to be given back',
  })
  await under.questdb.sql(`ALTER TABLE "${document.table}" ADD COLUMN humidity DOUBLE`)
  await under.putDocument(next)
  await untilRows(under, next, 11)
  await until(async () => (await applied(under, next))?.generation === 2, { what: 'generation 2 to be reported' })
})

test('bad rows go to the dead letters and the rest lands', async () => {
  const document = await under.makeFleet({ namespace: 'plant', name: 'bad' })
  const bad = [
    line(document.table, 900, 'temperature="warm"'),
    line(document.table, 901, 'unheard=1.5'),
    `${document.table},device=d3 temperature=1e999,digest=902i 1700000000000000000\n`,
    'complete garbage\n',
    line(document.table, 903, 'ts=5i'),
  ]
  const body = [0, 1, 2, 3, 4].map((i) => lines(document.table, i * 100, 100) + bad[i]).join('')
  await publish(under.client, document, body)
  await untilRows(under, document, 500)
  const letters = await until(
    async () => ((found) => found.length >= bad.length && found)(await deadLetters(under.client)),
    {
      what: 'the dead letters',
    },
  )
  assert.deepEqual(letters.map((letter) => letter.body).sort(), [...bad].sort())
  const { detail, field, device, stage, reason } =
    letters.find((letter) => letter.body === bad[0])?.head ?? assert.fail()
  assert.deepEqual(
    { detail, field, device, stage, reason },
    {
      detail: `table: ${document.table}, column: temperature; cast error from protocol type: STRING to column type: DOUBLE`,
      field: 'temperature',
      device: 'd0',
      stage: 'row',
      reason: 'database_rejected',
    },
  )
  await until(async () => /^5 refused/.test((await applied(under, document))?.observed[0]?.message ?? ''), {
    what: 'the condition to count them',
  })
})

test('batches of a deleted fleet of the same name are refused as a whole', async () => {
  const document = await under.makeFleet({ namespace: 'plant', name: 'reborn' })
  const old = lines(document.table, 500, 20)
  await publish(under.client, document, old, { uid: 'uid-of-the-dead' })
  await publish(under.client, document, lines(document.table, 0, 20))
  await untilRows(under, document, 20)
  const letter = await until(
    async () => (await deadLetters(under.client)).find(({ head }) => head.fleet.name === 'reborn'),
    {
      what: 'the dead letter',
    },
  )
  assert.deepEqual([letter.head.reason, letter.head.uid, letter.body], ['foreign_fleet', 'uid-of-the-dead', old])
  assert.equal((await counts(under.questdb, document)).rows, 20)
})

test('the span of a flush links to the sampled messages in it', async () => {
  const document = await under.makeFleet({ namespace: 'plant', name: 'traced' })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const traceLinks = [`00-${traceId}-b7ad6b7169203331-01`]
  await publish(under.client, document, lines(document.table, 0, 10), { traceLinks })
  const span = await until(() => otlp.spans.find(({ name }) => name === 'writer flush'), { what: 'the span' })
  assert.deepEqual([span.service, span.links?.map((link) => link.traceId)], ['fleetloom-writer', [traceId]])
})
