import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashSecret, NO_SECRET, newSecret, verifySecret } from './secret.ts'

test('a secret is 256 random bits in base64url', () => {
  assert.match(newSecret(), /^[A-Za-z0-9_-]{43}$/)
  assert.notEqual(newSecret(), newSecret())
})

test('a hash verifies its own secret and no other', () => {
  const secret = newSecret()
  const hash = hashSecret(secret)
  assert.equal(verifySecret(secret, hash), true)
  assert.equal(verifySecret(`${secret}x`, hash), false)
  assert.equal(verifySecret('', hash), false)
})

test('the salt has 12 bytes, all of them text, so that either broker takes it', () => {
  const { salt, hash, iterations } = hashSecret('x')
  assert.match(Buffer.from(salt, 'base64').toString(), /^[A-Za-z0-9_-]{12}$/)
  assert.equal(Buffer.from(hash, 'base64').length, 64)
  assert.equal(iterations, 101)
})

test('no secret verifies against the hash of a removed device', () => {
  assert.equal(verifySecret('', NO_SECRET), false)
  assert.equal(verifySecret(newSecret(), NO_SECRET), false)
})
