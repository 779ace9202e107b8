import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CsvReader, type CsvRecord } from './csv.ts'

/** Recorded from QuestDB 9.3.1. */
const RECORDED =
  '1700000000123456,"a.b-1",-9223372036854775807,0.1,,true,"x,y","li""ne\nnext\\z"\r\n' +
  '1700000000123457,"a",9223372036854775807,1.0E-300,12345678901234,false,,\r\n' +
  '1700000000123458,"a",1,,5,false,"",""\r\n' +
  '1700000000123459,"b",2,1.2345678912345679E8,1,false,"é","null"\r\n'

const EXPECTED: CsvRecord[] = [
  ['1700000000123456', 'a.b-1', '-9223372036854775807', '0.1', undefined, 'true', 'x,y', 'li"ne\nnext\\z'],
  ['1700000000123457', 'a', '9223372036854775807', '1.0E-300', '12345678901234', 'false', undefined, undefined],
  ['1700000000123458', 'a', '1', undefined, '5', 'false', '', ''],
  ['1700000000123459', 'b', '2', '1.2345678912345679E8', '1', 'false', 'é', 'null'],
]

test('records are the same however the text is cut', () => {
  for (let size = 1; size <= RECORDED.length; size++) {
    const reader = new CsvReader()
    const records: CsvRecord[] = []
    for (let at = 0; at < RECORDED.length; at += size) records.push(...reader.push(RECORDED.slice(at, at + size)))
    reader.end()
    assert.deepEqual(records, EXPECTED, `in pieces of ${size}`)
  }
})

test('a text that breaks off within a record is told', () => {
  const reader = new CsvReader()
  reader.push('1,2\r\n3,')
  assert.throws(() => reader.end(), RangeError)
})
