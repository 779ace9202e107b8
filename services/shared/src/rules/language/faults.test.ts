import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkExpression, compileExpression } from './expression.ts'
import { SCHEMA } from './testing/fleet.ts'

/** Expressions, and under each what is wrong with it: marked, and in words. */
const FAULTS = readFileSync(join(import.meta.dirname, 'faults.txt'), 'utf8')

for (const pair of FAULTS.trim().split('\n\n')) {
  const [text, under] = pair.split('\n') as [string, string]
  const [, indent, marks, message] = /^( *)(~+|\^) (.*)$/.exec(under) as unknown as [string, string, string, string]
  const fault = { message, line: 1, column: indent.length + 1, length: marks === '^' ? 0 : marks.length }
  test(`${text} is refused: ${message}`, () => {
    const result = compileExpression(text, SCHEMA)
    assert.deepEqual(result, { fault })
    assert.deepEqual(checkExpression(text, SCHEMA), fault)
  })
}

const faultOf = (text: string) => checkExpression(text, SCHEMA)

test('a fault is found on its line', () => {
  assert.deepEqual(faultOf("last(temperature)\n  > 8 &&\n  lsat(door) == 'x'"), {
    message: 'unknown function lsat at line 3, column 3; did you mean last?',
    line: 3,
    column: 3,
    length: 4,
  })
  assert.deepEqual(faultOf("last(door) == 'a\nb'"), {
    message: 'a text goes over the end of the line at line 1, column 17; close the quote, or write \\n for a new line',
    line: 1,
    column: 17,
    length: 1,
  })
})

test('an empty expression is refused', () => {
  const message = "the expression is empty at line 1, column 1; write avg(temperature, '5m') > 8"
  for (const text of ['', '  \n ']) assert.equal(faultOf(text)?.message, message)
})

test('what is too long, too deep or too much is refused', () => {
  const many = (text: string, times: number, by = ''): string => Array.from({ length: times }, () => text).join(by)
  const messages = [
    many('a', 3000),
    many('(', 2000),
    `${many('!', 1900)}last(on)`,
    `${many('-', 1900)}last(count) > 1`,
    many('last(on)', 140, ' && '),
    many('last(on) ? ', 100),
    many('[', 2000),
    Array.from({ length: 33 }, (_, i) => `avg(count, '${i + 1}m') > 1`).join('||'),
    `device.matches('${many('a', 300)}') && last(on)`,
  ].map((text) => faultOf(text)?.message)
  const complex = (column: number) =>
    `the expression is too complex at line 1, column ${column}; it may have 400 parts, nested 40 deep`
  assert.deepEqual(messages, [
    'the expression is too long (3000 characters, at most 2048) at line 1, column 2049',
    complex(41),
    complex(1502),
    complex(1502),
    complex(1),
    complex(435),
    complex(41),
    'the expression reads more than 32 different values at line 1, column 728; split it into several rules',
    'the pattern is too long (300 characters, at most 256) at line 1, column 16; patterns are those of RE2',
  ])
})
