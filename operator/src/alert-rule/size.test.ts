import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_RULE_BYTES, sizeFaults } from './size.ts'
import { aRule } from './testing.ts'

test('a rule that is too long is refused, in words', () => {
  const { spec } = aRule({ annotations: { summary: '' } })
  const room = MAX_RULE_BYTES - Buffer.byteLength(JSON.stringify(spec))
  const long = (length: number) => ({ ...spec, annotations: { summary: 'x'.repeat(length) } })
  assert.deepEqual(sizeFaults(long(room)), [])
  assert.deepEqual(sizeFaults(long(room + 1)), [
    {
      field: 'spec',
      message: 'is 32769 bytes long as JSON, and 32768 are the most; shorten annotations, labels or the selector',
    },
  ])
  assert.equal(sizeFaults({ ...spec, annotations: { summary: 'é'.repeat(room / 2 + 1) } }).length, 1)
})
