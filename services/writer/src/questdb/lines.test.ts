import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { deviceOfLine, splitLines } from './lines.ts'

const bytes = (text: string) => Buffer.from(text)
const texts = (body: string) => splitLines(bytes(body)).map((line) => Buffer.from(line).toString())

test('lines keep their newline, blank ones vanish, the last needs none', () => {
  assert.deepEqual(texts('a 1\n\nb 2\nc 3'), ['a 1\n', 'b 2\n', 'c 3'])
  assert.deepEqual(texts(''), [])
})

test('a newline inside a text value does not end its row', () => {
  assert.deepEqual(texts('t,device=x e="one\\\ntwo" 1\nt,device=x e="b\\\\" 2\n'), [
    't,device=x e="one\\\ntwo" 1\n',
    't,device=x e="b\\\\" 2\n',
  ])
})

test('the lines of any rows are those rows', () => {
  const row = fc.string({ unit: 'binary', maxLength: 40 }).map((text) => {
    const value = text.replace(/["\\\n\r]/g, (c) => `\\${c}`)
    return `t,device=d e="${value}" 17\n`
  })
  fc.assert(fc.property(fc.array(row, { maxLength: 8 }), (rows) => assert.deepEqual(texts(rows.join('')), rows)))
})

test('the device is read from the line', () => {
  assert.deepEqual(
    ['t,device=reefer-7,door=open a=1 1', 't,device=a\\ b\\,c\\=d a=1 1', 'garbage', 't,door=x,device=y a=1'].map(
      (line) => deviceOfLine(bytes(line)),
    ),
    ['reefer-7', 'a b,c=d', '', 'y'],
  )
})
