import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_PATTERN_MATCHERS, type Matcher } from '@fleetloom/shared/alerts/silence'
import type { KvEntry } from '@nats-io/kv'
import { Problem } from '../http/problem.ts'
import { SilenceStore } from './silences.ts'

const NOW = Date.parse('2026-01-01T12:00:00Z')
const HOUR = 3_600_000

/** A store over a bucket of one record. */
const storeOver = (text?: string) => {
  let revision = text === undefined ? 0 : 1
  const kv = {
    get: async (key: string) =>
      text === undefined ? null : ({ key, operation: 'PUT', revision, string: () => text } as unknown as KvEntry),
    put: async (_: string, value: unknown) => {
      text = String(value)
      return ++revision
    },
  }
  return new SilenceStore(kv, () => NOW)
}

const pattern: Matcher = { name: 'device', operator: '=~', value: 'reefer-.*' }

const given = (matchers: Matcher[], startsAt = NOW) => ({
  ...{ matchers, startsAt, endsAt: startsAt + HOUR },
  ...{ author: 'ann', comment: '' },
})

test('matchers with a pattern are bounded for all silences of a namespace that have not ended', async () => {
  const store = storeOver()
  for (let taken = 0; taken + 16 <= MAX_PATTERN_MATCHERS; taken += 16)
    await store.create('coldchain', given(Array(16).fill(pattern), NOW + HOUR), 'k1')
  const left = MAX_PATTERN_MATCHERS % 16
  await assert.rejects(store.create('coldchain', given(Array(left + 1).fill(pattern)), 'k1'), (error) => {
    assert.ok(error instanceof Problem)
    assert.deepEqual(
      [error.status, error.extra.errors],
      [
        409,
        [
          {
            field: 'matchers',
            value: left + 1,
            reason: `a namespace has at most ${MAX_PATTERN_MATCHERS} matchers with =~ or !~ in silences that have not ended, and ${MAX_PATTERN_MATCHERS - left} are taken`,
          },
        ],
      ],
    )
    return true
  })
  const { id } = await store.create('coldchain', given(Array(left).fill(pattern)), 'k1')
  await store.create('coldchain', given([{ ...pattern, operator: '=' }]), 'k1')
  assert.equal(await store.end('coldchain', id), true)
  await store.create('coldchain', given(Array(left).fill(pattern)), 'k1')
})

test('a record that is not JSON holds no silence, and the next one mends it', async () => {
  const store = storeOver('{"silences": [')
  assert.deepEqual(await store.list('coldchain'), [])
  const made = await store.create('coldchain', given([pattern]), 'k1')
  assert.deepEqual(await store.list('coldchain'), [made])
  assert.deepEqual([made.author, made.keyId], ['ann', 'k1'])
  assert.deepEqual(
    (await store.ready('coldchain')).map(({ silence }) => silence),
    [made],
  )
})
