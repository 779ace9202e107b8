/** Random expressions, printed, compiled and run, give what a naive walk over their trees gives. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileExpression } from './expression.ts'
import { judge, SCHEMA } from './testing/fleet.ts'
import { state, trees } from './testing/random.ts'
import { expected, print } from './testing/trees.ts'

test('a compiled expression gives what a naive walk over its tree gives', () => {
  const seen = { true: 0, false: 0, undefined: 0 }
  fc.assert(
    fc.property(trees.truth, fc.array(state, { minLength: 1, maxLength: 5 }), (tree, states) => {
      // An expression has to read something; the first reading is no part of the result.
      const written = `(last('loop') == 1 || true) && ${print(tree, 2.5)}`
      fc.pre(written.length <= 2048)
      const result = compileExpression(written, SCHEMA)
      if ('fault' in result) assert.fail(`${written}: ${result.fault.message}`)
      for (const one of states) {
        const wanted = expected(tree, one)
        seen[`${wanted as boolean | undefined}`]++
        assert.equal(judge(result.ok, one), wanted, written)
      }
    }),
    { numRuns: 3000 },
  )
  assert.ok(Math.min(...Object.values(seen)) > 300, JSON.stringify(seen))
})

const PIECES = [
  ...[
    "avg(temperature, '1m')",
    'last(door)',
    "'closed'",
    '8.0',
    '>',
    '==',
    '&&',
    '||',
    '!',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
  ],
  ...[
    "'",
    '"',
    '\\',
    '.',
    ',',
    ':',
    '?',
    'in',
    'labels',
    'device',
    'has(',
    'matches(',
    'avg',
    '5m',
    '=',
    '&',
    '\n',
    ' ',
  ],
  ...['b"', "r'", '"""', '//', 'constructor', '__proto__', 'null', '5u', '0x', '1e', '😀', '\u0000', 'x.all(', 'size('],
]

const GOOD =
  "avg(temperature, '1m') > 8.0 && last(door) in ['closed', 'ajar'] || device.matches('^a[0-9]') && labels.zone == 'b'"

const damaged = fc
  .array(fc.tuple(fc.nat(GOOD.length), fc.nat(6), fc.constantFrom('', ...PIECES)), { minLength: 1, maxLength: 4 })
  .map((edits) => edits.reduce((good, [at, cut, piece]) => good.slice(0, at) + piece + good.slice(at + cut), GOOD))

test('any text gives an expression, or a fault inside the text in words for people', () => {
  const soup = fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(fc.oneof(soup, damaged, fc.string({ unit: 'binary' })), (written) => {
      const result = compileExpression(written, SCHEMA)
      if ('ok' in result) return
      const { message, line, column, length } = result.fault
      const lines = written.split('\n')
      const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1
      assert.ok(line >= 1 && line <= lines.length && column >= 1 && length >= 0 && start + length <= written.length)
      assert.match(message, new RegExp(`^[^\\p{Cc}]+ at line ${line}, column ${column}(; [^\\p{Cc}]+)?$`, 'u'))
      assert.doesNotMatch(message, /\b(undefined|EOF|[LR]PAREN|[LR]BRACKET|IDENTIFIER|function \w*\()/)
      assert.ok(message.length < 400, message)
    }),
    { numRuns: 5000 },
  )
})
