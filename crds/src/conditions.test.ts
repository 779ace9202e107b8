import assert from 'node:assert/strict'
import test from 'node:test'
import { CONDITION_TYPES, REASONS } from './conditions.ts'

test('condition types and reasons are single words in CamelCase, each type once', () => {
  for (const word of [...CONDITION_TYPES, ...Object.keys(REASONS)]) assert.match(word, /^([A-Z][a-z]+)+$/)
  assert.equal(new Set(CONDITION_TYPES).size, CONDITION_TYPES.length)
})

test('each reason has a meaning, as a sentence', () => {
  for (const meaning of Object.values(REASONS)) assert.match(meaning, /^.+\.$/)
})
