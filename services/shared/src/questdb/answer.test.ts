import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, answerOf } from './answer.ts'

const target = { table: 't1', columns: ['ts', 'device', 'digest', 'a', 'b'] }
const PREAMBLE = 'failed to parse line protocol:errors encountered on line(s):'

/** Recorded from QuestDB 9.3.1 with creation of tables and columns off: status, words, line, and what they mean. */
const ROW_FAULTS: readonly (readonly [words: string, field: string])[] = [
  ['table: t1, column: a; cast error from protocol type: STRING to column type: DOUBLE', 'a'],
  ['table: t1, column: b; cast error from protocol type: FLOAT to column type: LONG', 'b'],
  ['table: t1, column: zz does not exist, creating new columns is disabled', 'zz'],
  ['table: nope; table does not exist, creating new tables is disabled', ''],
  ['table: ; invalid table name', ''],
  ['No fields were provided', ''],
  ['Could not parse timestamp: notatime', ''],
  ['table: t1, timestamp: -1; designated timestamp before 1970-01-01 is not allowed', ''],
  ['Could not parse entire line, field value is invalid. Field: a; value: 1e999', 'a'],
]

const TABLE_FAULTS = [
  'table: t1; table does not exist, creating new tables is disabled',
  'table: t1, column: b does not exist, creating new columns is disabled',
  'table: t1, column: device does not exist, creating new columns is disabled',
  'table: t1; cannot insert in non-WAL table',
  'table: t1; cannot modify materialized view: t1',
]

const refusal = (words: string, line = 3, code = 'invalid') =>
  JSON.stringify({ code, message: `${PREAMBLE}\nerror in line ${line}: ${words}`, line, errorId: 'cc163146264c-1' })

test('faults of a row name the line, the column and the words of the database', () => {
  for (const [detail, field] of ROW_FAULTS) {
    const expected: Answer = { kind: 'row_fault', fault: { detail, field, line: 3 } }
    assert.deepEqual(answerOf(400, refusal(detail), target), expected)
  }
})

test('a fault of the table, which the operator repairs, blames no row', () => {
  for (const words of TABLE_FAULTS) {
    assert.equal(answerOf(400, refusal(words), target).kind, 'unavailable', words)
  }
})

test('a server that fails over a line makes the line a suspect', () => {
  const body = JSON.stringify({
    code: 'internal error',
    message: `${PREAMBLE}write error: t1, error: java.lang.UnsupportedOperationException`,
    line: 1,
  })
  assert.deepEqual(answerOf(500, body, target), {
    kind: 'suspect',
    fault: { detail: 'write error: t1, error: java.lang.UnsupportedOperationException', field: '', line: 1 },
  })
})

test('whatever is not about a row means later', () => {
  const answers: [number, string][] = [
    [401, 'Unauthorized\n'],
    [403, ''],
    [404, 'Not Found'],
    [405, 'Method POST not supported\n'],
    [413, ''],
    [429, ''],
    [500, ''],
    [503, 'busy'],
    [400, JSON.stringify({ code: 'not supported', message: `${PREAMBLE}unsupported precision`, line: 0 })],
    [400, 'Bad Request'],
    [422, refusal('table: t1, column: a; cast error')],
  ]
  for (const [status, body] of answers) assert.equal(answerOf(status, body, target).kind, 'unavailable', `${status}`)
  assert.deepEqual(answerOf(401, 'Unauthorized\n', target), { kind: 'unavailable', reason: 'HTTP 401: Unauthorized' })
})

test('accepted', () => assert.deepEqual(answerOf(204, '', target), { kind: 'accepted' }))
