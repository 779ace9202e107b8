import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PatternError, parsePattern } from './pattern.ts'

test('a pattern means what the regular expression means that is anchored at both ends', () => {
  const part = fc.constantFrom('a', 'b', '-', '.', '.*', '.+', '\\.', '|', 'ab')
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.'), maxLength: 12 })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), text, (parts, value) => {
      const pattern = parts.join('').replace(/\*\+|\+\*/g, '')
      fc.pre(!/[*+]{2}/.test(pattern))
      assert.equal(parsePattern(pattern)(value), new RegExp(`^(?:${pattern})$`).test(value), `${pattern} on ${value}`)
    }),
  )
})

test('what is not supported is refused with its position', () => {
  assert.throws(
    () => parsePattern('a(b)'),
    new PatternError('( at position 2 is not supported: use text, ., .*, .+, | and \\ before a character'),
  )
  for (const pattern of ['a{2}', '[ab]', 'a*', 'x?', '^a', 'a$', 'a\\', 'a'.repeat(257), '.*'.repeat(17)])
    assert.throws(() => parsePattern(pattern), PatternError, pattern)
})

test('a pattern made to explode takes no time', () => {
  const hits = parsePattern('.*a.*a.*a.*a.*a.*a.*a.*a.*a.*b')
  const startMs = performance.now()
  assert.equal(hits('a'.repeat(2_000)), false)
  assert.ok(performance.now() - startMs < 200)
})
