import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSealOf, open, ruleContext, SealError, seal, sealKeys } from './seal.ts'

const [OLD, NEW] = [Buffer.from('the old platform key'), Buffer.from('the new platform key')]
const context = ruleContext({ namespace: 'cold', uid: 'u-1' })
const keys = sealKeys(OLD)

test('what is sealed opens again, and neither its text nor its nonce repeats', () => {
  const sealed = seal(keys, 'hook-secret', context)
  assert.equal(open(keys, sealed, context).toString(), 'hook-secret')
  assert.doesNotMatch(JSON.stringify(sealed), /hook|aG9vay/)
  const again = seal(keys, 'hook-secret', context)
  assert.notEqual(again.nonce, sealed.nonce)
  assert.notEqual(again.text, sealed.text)
})

test('a sealed secret opens for the resource it belongs to only, and not when it was changed', () => {
  const sealed = seal(keys, 'hook-secret', context)
  const other = ruleContext({ namespace: 'cold', uid: 'u-2' })
  assert.throws(
    () => open(keys, sealed, other),
    new SealError('a sealed secret of cold/u-2 does not open: it was changed, or belongs to something else'),
  )
  const bytes = Buffer.from(sealed.text, 'base64')
  bytes[0] = (bytes[0] as number) ^ 1
  assert.throws(() => open(keys, { ...sealed, text: bytes.toString('base64') }, context), SealError)
  assert.throws(() => open(keys, { ...sealed, text: '' }, context), SealError)
})

test('after a change of the platform key the earlier one opens and the new one seals', () => {
  const sealed = seal(keys, 'hook-secret', context)
  const rotated = sealKeys(NEW, OLD)
  assert.equal(open(rotated, sealed, context).toString(), 'hook-secret')
  assert.equal(isSealOf(rotated, sealed, Buffer.from('hook-secret'), context), false, 'it is to be sealed anew')
  const anew = seal(rotated, 'hook-secret', context)
  assert.equal(isSealOf(rotated, anew, Buffer.from('hook-secret'), context), true)
  assert.equal(isSealOf(rotated, anew, Buffer.from('another'), context), false)
  assert.throws(
    () => open(sealKeys(NEW), sealed, context),
    /sealed under the platform key [0-9a-f]{8}, which is not among [0-9a-f]{8}; give the earlier key/,
  )
})
