import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compilePattern } from './pattern.ts'

const faultOf = (text: string): string | undefined => {
  const result = compilePattern(text)
  return 'fault' in result ? result.fault : undefined
}

const found = (pattern: string, text: string): boolean => {
  const result = compilePattern(pattern)
  return 'ok' in result ? result.ok(text) : assert.fail(result.fault)
}

test('a pattern is found anywhere unless it is anchored', () => {
  assert.deepEqual([found('los', 'closed'), found('^los', 'closed'), found('^(clo|op)', 'open')], [true, false, true])
  assert.deepEqual([found('^\\p{L}+$', 'päck'), found('(?i)OPEN', 'open'), found('', 'x')], [true, true, true])
})

test('what RE2 has not, or would cost too much, is refused with the reason', () => {
  assert.deepEqual(['(', '(?=x)', '(a)\\1', 'a{500}', '((a{100}){100}){100}', 'a'.repeat(257)].map(faultOf), [
    "can not be used (missing closing ): '(')",
    "can not be used (invalid or unsupported Perl syntax: '(?=')",
    "can not be used (invalid escape sequence: '\\1')",
    'repeats too much (502 steps, at most 100)',
    "can not be used (invalid repeat count: '{100}')",
    'is too long (257 characters, at most 256)',
  ])
})

test('a pattern that is to cover the whole text does, and other bounds hold where they are given', () => {
  const whole = (pattern: string, text: string): boolean => {
    const result = compilePattern(pattern, { whole: true })
    return 'ok' in result ? result.ok(text) : assert.fail(result.fault)
  }
  const cases: [string, string, boolean][] = [
    ['reefer', 'reefer-7', false],
    ['reefer-.*', 'reefer-7', true],
    ['reefer|truck', 'truck', true],
    ['reefer|truck', 'trucks', false],
    ['', '', true],
    ['v1\\.2', 'v1x2', false],
  ]
  for (const [pattern, text, expected] of cases) assert.equal(whole(pattern, text), expected, pattern)
  assert.deepEqual(compilePattern('abc', { characters: 2 }), { fault: 'is too long (3 characters, at most 2)' })
  assert.deepEqual(compilePattern('a{8}', { steps: 5 }), { fault: 'repeats too much (10 steps, at most 5)' })
})

test('a pattern whose states explode says the same with little memory as with much', () => {
  const text = Array.from({ length: 300 }, (_, i) => ((i * i) % 7 < 3 ? 'a' : 'b')).join('')
  for (const pattern of ['[ab]*a[ab]{40}', '[ab]*a[ab]{40}b[ab]*', '[ab]*a[ab]{40}c']) {
    const [small, large] = [16 * 1024, 8 * 1024 ** 2].map((memory) => compilePattern(pattern, { whole: true, memory }))
    assert.ok(small && large && 'ok' in small && 'ok' in large)
    for (let end = 0; end < text.length; end += 10)
      assert.equal(small.ok(text.slice(end)), large.ok(text.slice(end)), `${pattern} at ${end}`)
  }
})

test('a pattern that takes exponential time elsewhere is matched at once', { timeout: 5000 }, () => {
  for (const pattern of ['^(a+)+$', '^(a|a)*$', '^(.*)(.*)(.*)(.*)[^a]$', '^([ab]*a[ab]{30})$'])
    assert.equal(found(pattern, `${'a'.repeat(1000)}!`), pattern.includes('.*'))
})

test('any text is a pattern or has a fault, and simple ones mean what they mean in JavaScript', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => void compilePattern(text)))
  const simple = fc
    .array(fc.constantFrom('a', 'b', '.', 'a*', 'b+', 'a?', '[ab]', '(a|b)', 'b{2}', '^', '$'), { maxLength: 5 })
    .map((pieces) => pieces.join(''))
    .filter((text) => !/[$^][*+?{]/.test(text))
  const subject = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
  fc.assert(fc.property(simple, subject, (text, of) => assert.equal(found(text, of), new RegExp(text, 'u').test(of))))
})
