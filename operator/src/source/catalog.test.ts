import assert from 'node:assert/strict'
import test from 'node:test'
import { type Catalog, type Scan, updateCatalog } from './catalog.ts'
import type { Accepted } from './manifests.ts'
import type { Refusal, Resource } from './source.ts'

const KEY = 'DeviceFleet lab/doors'

const accepted = (spec: unknown = { a: 1 }, annotations: Record<string, string> = {}): Accepted => ({
  kind: 'DeviceFleet',
  ref: { namespace: 'lab', name: 'doors' },
  annotations,
  spec,
})

const known = (metadata: Partial<Resource['metadata']> = {}): Resource => ({
  kind: 'DeviceFleet',
  metadata: { namespace: 'lab', name: 'doors', uid: 'u1', generation: 3, finalizers: [], annotations: {}, ...metadata },
  spec: { a: 1 },
})

const refusal = (resource?: Refusal['resource']): Refusal => ({
  file: 'a.yaml',
  line: 1,
  field: '',
  message: 'no',
  ...(resource && { resource }),
})

const scan = (some: Partial<Scan>): Scan => ({ accepted: [], refusals: [], whole: true, ...some })
const catalog = (...resources: Resource[]): Catalog => new Map(resources.map((one) => [KEY, one]))
const update = (before: Catalog, seen: Scan, missed: string[] = []) =>
  updateCatalog(before, seen, new Set(missed), { now: '2026-01-01T00:00:00.000Z', uid: () => 'new' })

test('a new manifest makes a resource of generation 1', () => {
  const { catalog: after, changed } = update(catalog(), scan({ accepted: [accepted()] }))
  assert.deepEqual(after.get(KEY), known({ uid: 'new', generation: 1 }))
  assert.deepEqual(changed, [KEY])
})

test('the same manifest again changes nothing', () => {
  const before = catalog(known())
  const after = update(before, scan({ accepted: [accepted()] }))
  assert.equal(after.catalog.get(KEY), before.get(KEY))
  assert.deepEqual([after.changed, after.missing], [[], []])
})

test('a changed spec counts the generation, changed annotations do not', () => {
  assert.equal(
    update(catalog(known()), scan({ accepted: [accepted({ a: 2 })] })).catalog.get(KEY)?.metadata.generation,
    4,
  )
  const { catalog: after, changed } = update(catalog(known()), scan({ accepted: [accepted({ a: 1 }, { b: 'c' })] }))
  assert.deepEqual(after.get(KEY), known({ annotations: { b: 'c' } }))
  assert.deepEqual(changed, [KEY])
})

test('what one scan misses is reported, what two scans miss is gone', () => {
  const first = update(catalog(known()), scan({}))
  assert.deepEqual([first.changed, first.missing, first.catalog.size], [[], [KEY], 1])
  const second = update(first.catalog, scan({}), first.missing as string[])
  assert.deepEqual([second.changed, second.missing, second.catalog.size], [[KEY], [], 0])
})

test('a resource with finalizers is marked and stays', () => {
  const { catalog: after, changed } = update(catalog(known({ finalizers: ['f'] })), scan({}), [KEY])
  const deletionTimestamp = '2026-01-01T00:00:00.000Z'
  assert.deepEqual(after.get(KEY), known({ finalizers: ['f'], generation: 4, deletionTimestamp }))
  assert.deepEqual(changed, [KEY])
  assert.deepEqual(update(after, scan({}), [KEY]).changed, [])
})

test('a resource that is being deleted does not follow its manifest', () => {
  const before = catalog(known({ finalizers: ['f'], deletionTimestamp: '2026-01-01T00:00:00.000Z' }))
  assert.deepEqual(update(before, scan({ accepted: [accepted({ a: 2 })] })).changed, [])
})

test('nothing is removed that a refused manifest speaks of', () => {
  const refusals = [refusal({ kind: 'DeviceFleet', namespace: 'lab', name: 'doors' })]
  assert.deepEqual(update(catalog(known()), scan({ refusals }), [KEY]).changed, [])
})

test('nothing is removed while some document does not tell its resource, or the scan is not whole', () => {
  const unclear = update(catalog(known()), scan({ refusals: [refusal()] }), [KEY])
  assert.deepEqual([unclear.changed, unclear.missing], [[], []])
  assert.deepEqual(update(catalog(known()), scan({ whole: false }), [KEY]).changed, [])
})

test('a refusal of another resource holds nothing back', () => {
  const refusals = [refusal({ kind: 'DeviceFleet', namespace: 'lab', name: 'other' })]
  assert.deepEqual(update(catalog(known()), scan({ refusals }), [KEY]).changed, [KEY])
})
