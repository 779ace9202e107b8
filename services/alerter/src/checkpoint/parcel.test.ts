import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHUNK_BYTES } from '@fleetloom/shared/rules/engine/snapshot'
import { fleetDocument, ruleDocument } from '../fleet/testing.ts'
import { transitionOf } from '../testing.ts'
import { type Parcel, pack, unpack } from './parcel.ts'

const bytes = (length: number, fill: number): Uint8Array => Buffer.alloc(length, fill)
const plain = ({ engine, counters, ...rest }: Parcel) => ({
  ...rest,
  engine: engine.map((one) => Buffer.from(one).toString('hex')),
  counters: Buffer.from(counters).toString('hex'),
})

const parcel = (changes: Partial<Parcel> = {}): Parcel => ({
  document: fleetDocument(),
  rules: [ruleDocument()],
  devices: [['__proto__x', { cargo: 'fruit' }]],
  outgoing: [{ transition: transitionOf() }],
  engine: [bytes(10, 1), bytes(3, 2)],
  counters: bytes(5, 3),
  ...changes,
})

test('a parcel comes back as it was packed, with nothing in it and with much', () => {
  const many = Array.from({ length: 30_000 }, (_, i) => [`device-${i}`, { site: `site-${i}` }] as const)
  for (const one of [
    parcel(),
    parcel({ rules: [], devices: [], outgoing: [], engine: [], counters: new Uint8Array() }),
    parcel({ devices: many, counters: bytes(CHUNK_BYTES * 2 + 1, 7) }),
  ]) {
    const chunks = pack(one)
    assert.ok(chunks.every(({ length }) => length <= CHUNK_BYTES))
    assert.deepEqual(plain(unpack(chunks)), plain(one))
  }
})

test('what is no parcel is refused', () => {
  assert.throws(() => unpack([]))
  assert.throws(() => unpack([Buffer.from('no JSON')]))
})
