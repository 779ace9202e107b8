import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { recordKey } from '@fleetloom/shared/alerts/records'
import { subjectOf, type Transition } from '@fleetloom/shared/alerts/transition'
import { T0_MICROS, transitionOf } from '../testing.ts'
import { noteTransition } from './alert-records.ts'
import { toldOf } from './told.ts'

const names = namesOf()
const bytesOf = (one: Transition): Uint8Array => new TextEncoder().encode(JSON.stringify(one))

/** A bucket and an alert stream in memory. */
const start = (stream: readonly Transition[] = []) => {
  const entries = new Map<string, { operation: string; value: Uint8Array; revision: number }>()
  let revision = 0
  const set = async (key: string, operation: string, value: Uint8Array) => {
    entries.set(key, { operation, value, revision: ++revision })
    return revision
  }
  const kv = {
    get: async (key: string) => entries.get(key) ?? null,
    put: (key: string, text: string) => set(key, 'PUT', new TextEncoder().encode(text)),
    delete: (key: string) => set(key, 'DEL', new Uint8Array()),
  }
  const getMessage = async (_: string, { last_by_subj }: { last_by_subj: string }) => {
    const found = stream.find((one) => subjectOf(names, one) === last_by_subj)
    return found ? { data: bytesOf(found) } : null
  }
  return { kv, nats: { jsm: { streams: { getMessage } } }, names } as unknown as Parameters<typeof toldOf>[0]
}

const SECRET = { keyId: 'k', nonce: 'n', text: 't' }
const began = transitionOf({
  firingSinceMicros: T0_MICROS,
  labels: { team: 'cold' },
  severity: 'critical',
  notify: [{ kind: 'alertmanager' }, { kind: 'webhook', url: 'https://old' }, { kind: 'webhook', url: 'https://both' }],
})
const ended = transitionOf({
  ...{ from: 'firing', to: 'resolved', atMicros: T0_MICROS + 60_000_000, firingSinceMicros: T0_MICROS },
  ...{ labels: { team: 'new' }, severity: 'warning', annotations: { summary: 'it is well' } },
  notify: [
    { kind: 'webhook', url: 'https://both', secret: SECRET },
    { kind: 'webhook', url: 'https://new' },
  ],
})
const expected = {
  ...ended,
  ...{ labels: began.labels, severity: began.severity },
  notify: [
    { kind: 'alertmanager' },
    { kind: 'webhook', url: 'https://old' },
    { kind: 'webhook', url: 'https://both', secret: SECRET },
  ],
}

test('an end is told to those who heard of the beginning, with its labels, also when it comes again', async () => {
  const stores = start()
  await noteTransition(stores.kv, began)
  const told = await toldOf(stores, ended)
  assert.deepEqual(told, expected)
  await noteTransition(stores.kv, told)
  assert.equal((await stores.kv.get(recordKey('firing', ended)))?.operation, 'DEL')
  assert.deepEqual(await toldOf(stores, ended), expected)
})

test('where nothing is recorded the stream says how it fired, and where that is gone too it is told as it is', async () => {
  assert.deepEqual(await toldOf(start([began]), ended), expected)
  assert.deepEqual(await toldOf(start(), ended), ended)
})

test('the record of another alert of the same name, or of a later one, is not its beginning', async () => {
  for (const other of [
    transitionOf({ ...began, ruleUid: 'other' }),
    transitionOf({ ...began, atMicros: T0_MICROS + 1, firingSinceMicros: T0_MICROS + 1 }),
  ]) {
    const stores = start()
    await noteTransition(stores.kv, other)
    assert.deepEqual(await toldOf(stores, ended), ended)
  }
})
