import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type DeadLetter, deadLetterHeaders, deadLetterOf } from './dead-letter.ts'

const letter: DeadLetter = {
  fleet: { namespace: 'coldchain', name: 'reefers' },
  uid: 'u',
  generation: 3,
  device: 'reefer 7\n"é😀',
  topic: 'fleets/coldchain/reefers/reefer 7/telemetry',
  stage: 'mqtt',
  reason: 'invalid_device',
  field: '',
  detail: 'a space',
  arrivalMs: 1_700_000_000_000,
  payloadBytes: 12,
  payloadSha256: 'ab',
}

test('headers carry any text and come back as they were', () => {
  assert.deepEqual(deadLetterOf(deadLetterHeaders(letter)), letter)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 64 }), (text) => {
      const odd = { ...letter, device: text, topic: text, detail: text }
      assert.deepEqual(deadLetterOf(deadLetterHeaders(odd)), odd)
    }),
  )
})

test('lone surrogates are replaced, never thrown on', () => {
  assert.equal(deadLetterOf(deadLetterHeaders({ ...letter, device: 'a\ud800b' }))?.device, 'a\ufffdb')
})

test('headers of another message are not a dead letter', () => {
  assert.equal(deadLetterOf(undefined), undefined)
})
