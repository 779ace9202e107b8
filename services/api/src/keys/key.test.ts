import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_SECRET } from '@fleetloom/shared/registry/secret'
import { type ApiKey, allows, isAdmin, keyScope, parseToken, tokenText } from './key.ts'

const SECRET = `${'a-_Z'.repeat(10)}xyz`
const key = (namespaces: string[], verbs: ApiKey['verbs']): ApiKey => ({
  version: '1.0',
  id: 'k123',
  name: 'k',
  namespaces,
  verbs,
  secret: NO_SECRET,
  createdAt: '2026-01-01T00:00:00.000Z',
})

test('a key is parted at its first two underscores, whatever its secret holds', () => {
  const token = { id: '0f3a', secret: SECRET }
  assert.deepEqual(parseToken(tokenText(token)), token)
  for (const text of [
    '',
    'flk_',
    `flk_0f3a_${SECRET}x`,
    `flk_0F3A_${SECRET}`,
    `xyz_0f3a_${SECRET}`,
    `flk_0f3a_${SECRET}\n`,
  ])
    assert.equal(parseToken(text), undefined, JSON.stringify(text))
})

test('a key allows its verbs in its namespaces, each alone being too little', () => {
  const reader = key(['cold', 'warm'], ['devices:read'])
  assert.equal(allows(reader, 'devices:read', 'warm'), true)
  assert.equal(allows(reader, 'devices:write', 'warm'), false)
  assert.equal(allows(reader, 'devices:read', 'other'), false)
  assert.equal(allows(key(['*'], ['devices:read']), 'devices:read', 'other'), true)
  assert.equal(allows(key(['cold'], ['*']), 'dead-letters:replay', 'cold'), true)
  assert.equal(allows(key(['cold'], ['*']), 'dead-letters:replay', ''), false)
})

test('only a key that holds all verbs in all namespaces is an admin key', () => {
  assert.equal(isAdmin(key(['*'], ['*'])), true)
  assert.equal(isAdmin(key(['*'], ['devices:read'])), false)
  assert.equal(isAdmin(key(['cold'], ['*'])), false)
})

test('a scope needs at least one namespace and one verb that exist', () => {
  assert.equal(keyScope.safeParse({ namespaces: ['cold'], verbs: ['devices:read'] }).success, true)
  for (const scope of [
    { namespaces: [], verbs: ['*'] },
    { namespaces: ['*'], verbs: [] },
    { namespaces: ['A'], verbs: ['*'] },
  ])
    assert.equal(keyScope.safeParse(scope).success, false)
})
