import assert from 'node:assert/strict'
import test from 'node:test'
import { didYouMean, nearest } from './nearest.ts'

const WORDS = ['measurements', 'storage', 'stream', 'topics', 'writer', 'Double', 'Long']

test('a slip of the keys finds the word', () => {
  const slips = {
    measurments: 'measurements',
    mesaurements: 'measurements',
    Storage: 'storage',
    storrage: 'storage',
    topic: 'topics',
    double: 'Double',
    LONG: 'Long',
  }
  for (const [slip, word] of Object.entries(slips)) assert.equal(nearest(slip, WORDS), word)
})

test('a word that is nothing like any finds none', () => {
  for (const word of ['', 'x', 'completely', 'Boolean', 'a'.repeat(1000)]) assert.equal(nearest(word, WORDS), undefined)
  assert.equal(nearest('topics', []), undefined)
})

test('the hint is a clause, or nothing', () => {
  assert.equal(didYouMean('topic', WORDS), '; did you mean "topics"?')
  assert.equal(didYouMean('zzz', WORDS), '')
})
