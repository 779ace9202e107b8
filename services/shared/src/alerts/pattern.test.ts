import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPattern, matchesPattern, PatternError } from './pattern.ts'

test('a pattern covers the whole text', () => {
  const cases: [string, string, boolean][] = [
    ['reefer', 'reefer-7', false],
    ['reefer-.*', 'reefer-7', true],
    ['reefer|truck', 'truck', true],
    ['reefer|truck', 'trucks', false],
    ['', '', true],
    ['v1\\.2', 'v1x2', false],
  ]
  for (const [pattern, text, expected] of cases) assert.equal(matchesPattern(pattern, text), expected, pattern)
})

test('a pattern that can not be read, or is too large, is refused', () => {
  for (const pattern of ['(a', 'a**', '[z-a]', 'a{999}', 'a'.repeat(257)])
    assert.throws(() => checkPattern(pattern), PatternError, pattern)
})

test('a list of names as long as a pattern may be is taken', () => {
  checkPattern(Array.from({ length: 25 }, (_, i) => `reefer-${10 + i}`).join('|'))
})

test('a pattern made to explode takes no time', () => {
  const startMs = performance.now()
  assert.equal(matchesPattern('(.*a){16}b', 'a'.repeat(2_000)), false)
  assert.ok(performance.now() - startMs < 500)
})
