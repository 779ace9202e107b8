import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from '@fleetloom/shared/questdb/answer'
import type { Letter } from './dead-letters.ts'
import { type FlushTools, flush } from './flush.ts'
import { cutByRows } from './sort.ts'
import { batchOf, documentOf, messageOf, type Settled } from './test-messages.ts'

const tools = (answer: (body: string) => Answer = () => ({ kind: 'accepted' }), currentUid = 'uid-1') => {
  const letters: Letter[] = []
  const bodies: string[] = []
  const given: FlushTools = {
    write: async (parts) => {
      bodies.push(Buffer.concat(parts).toString())
      return answer(bodies.at(-1) as string)
    },
    setAside: async (more) => void letters.push(...more),
    currentUid: async () => currentUid,
  }
  return { ...given, letters, bodies }
}

test('what landed is acknowledged, and a message without rows as well', async () => {
  const settled: Settled = new Map()
  const given = tools()
  const messages = [
    messageOf('a\nb\n', { seq: 1, settled }),
    messageOf('', { seq: 2, settled }),
    messageOf('c\n', { seq: 3, settled }),
  ]
  const flushed = await flush(messages, documentOf(), given)
  assert.deepEqual(flushed, { rows: 3, bytes: 6, rejected: [], foreign: 0, links: [] })
  assert.deepEqual(given.bodies, ['a\nb\nc\n'])
  assert.deepEqual([...settled].sort(), [
    [1, '+ACK'],
    [2, '+ACK'],
    [3, '+ACK'],
  ])
})

test('what could not be written is given back, what landed before it is not', async () => {
  const settled: Settled = new Map()
  const given = tools((body) =>
    body.includes('b') ? { kind: 'unavailable', reason: 'HTTP 503' } : { kind: 'accepted' },
  )
  const messages = ['a\n', 'b\n', 'c\n'].map((body, i) => messageOf(body, { seq: i + 1, settled }))
  const document = documentOf({ writer: { batchRows: 1, flushIntervalMs: 10 } })
  assert.deepEqual(await flush(messages, document, given), {
    rows: 1,
    bytes: 2,
    rejected: [],
    foreign: 0,
    links: [],
    unsettled: 'HTTP 503',
  })
  assert.deepEqual(
    [...settled],
    [
      [1, '+ACK'],
      [2, '-NAK'],
      [3, '-NAK'],
    ],
  )
})

test('a batch of another fleet is set aside, and only then acknowledged', async () => {
  const settled: Settled = new Map()
  const given = tools()
  await flush([messageOf('a\n', { uid: 'uid-0', settled })], documentOf(), given)
  const [letter] = given.letters
  assert.deepEqual(
    [letter?.head.reason, letter?.head.uid, letter?.head.arrivalMs, Buffer.from(letter?.body ?? []).toString()],
    ['foreign_fleet', 'uid-0', 1_700_000_000_123, 'a\n'],
  )
  assert.deepEqual([...settled], [[1, '+ACK']])
})

test('a batch of the fleet made anew waits while this process still has the old document', async () => {
  const settled: Settled = new Map()
  const given = tools(undefined, 'uid-2')
  const { unsettled } = await flush([messageOf('a\n', { uid: 'uid-2', settled })], documentOf(), given)
  assert.equal(unsettled, 'the document of the new fleet is on its way')
  assert.deepEqual([given.letters, [...settled]], [[], [[1, '-NAK']]])
})

test('a batch of a newer generation waits, those beside it do not', async () => {
  const settled: Settled = new Map()
  const given = tools()
  const messages = [messageOf('a\n', { seq: 1, settled }), messageOf('b\n', { seq: 2, generation: 2, settled })]
  const { rows, unsettled } = await flush(messages, documentOf(), given)
  assert.deepEqual([rows, unsettled], [1, 'the document of a newer generation is on its way'])
  assert.deepEqual(
    [...settled],
    [
      [1, '+ACK'],
      [2, '-NAK'],
    ],
  )
})

test('nothing is acknowledged while the dead-letter stream is away', async () => {
  const settled: Settled = new Map()
  const fault = { detail: 'cast error', field: 'a', line: 1 }
  const given: FlushTools = {
    ...tools(() => ({ kind: 'row_fault', fault })),
    setAside: async () => Promise.reject(new Error('no stream')),
  }
  const { unsettled } = await flush([messageOf('a\n', { settled })], documentOf(), given)
  assert.deepEqual([unsettled, [...settled]], ['no stream', [[1, '-NAK']]])
})

test('runs hold at most the rows asked for, unless one batch alone holds more', () => {
  const batches = ['a\nb\n', 'c\n', 'd\ne\nf\ng\n', 'h\n'].map((body) => batchOf(body))
  assert.deepEqual(
    cutByRows(batches, 3).map((run) => run.map(({ info }) => info.rows)),
    [[2, 1], [4], [1]],
  )
  assert.deepEqual(cutByRows([], 3), [])
})

const EVENTS = 'fleet.plant.line.events'
const withEvents = documentOf({ stream: { ...documentOf().stream, eventsSubject: EVENTS } })

test('readings and events go to their own tables, and one that is not there holds up only its own', async () => {
  for (const [absent, acknowledged] of [
    ['plant_line', [2, 4]],
    ['plant_events', [1, 3]],
  ] as const) {
    const settled: Settled = new Map()
    const written: [string, string][] = []
    const write: FlushTools['write'] = async (parts, { table, columns }) => {
      written.push([table, Buffer.concat(parts).toString()])
      assert.ok(columns.includes(table === 'plant_events' ? 'severity' : 'device'))
      return table === absent ? { kind: 'unavailable', reason: `no ${absent}` } : { kind: 'accepted' }
    }
    const messages = ['r1\n', 'e1\n', 'r2\n', 'e2\n'].map((body, i) =>
      messageOf(body, { seq: i + 1, settled, ...(body.startsWith('e') && { subject: EVENTS }) }),
    )
    const { rows, unsettled } = await flush(messages, withEvents, { ...tools(), write })
    assert.deepEqual([rows, unsettled], [2, `no ${absent}`])
    assert.deepEqual(written, [
      ['plant_line', 'r1\nr2\n'],
      ['plant_events', 'e1\ne2\n'],
    ])
    const acks = [...settled].filter(([, answer]) => answer === '+ACK').map(([seq]) => seq)
    assert.deepEqual([acks.sort(), settled.size], [acknowledged, 4])
  }
})

test('an event that the database refuses is set aside with its subject', async () => {
  const given = tools((body) =>
    body.includes('bad') ? { kind: 'row_fault', fault: { detail: 'words', field: '', line: 1 } } : { kind: 'accepted' },
  )
  const { rejected } = await flush([messageOf('good\nbad\n', { subject: EVENTS })], withEvents, given)
  assert.equal(rejected.length, 1)
  assert.deepEqual(
    given.letters.map(({ head, body }) => [head.stage, head.topic, Buffer.from(body).toString()]),
    [['row', EVENTS, 'bad\n']],
  )
})
