import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from '@fleetloom/shared/questdb/answer'
import fc from 'fast-check'
import { land, partsAround } from './land.ts'
import { batchOf } from './test-messages.ts'

/** A database that takes a request if it likes every line, as QuestDB does: `b` is a bad row, `s` one over which it fails. */
const database = () => {
  const taken = new Set<string>()
  let requests = 0
  const write = async (bodies: readonly Uint8Array[]): Promise<Answer> => {
    requests++
    const lines = Buffer.concat(bodies).toString().split('\n').slice(0, -1)
    const bad = lines.findIndex((line) => /^[bs]/.test(line))
    if (bad < 0) {
      for (const line of lines) taken.add(line)
      return { kind: 'accepted' }
    }
    const kind = lines[bad]?.startsWith('b') ? 'row_fault' : 'suspect'
    return { kind, fault: { detail: 'words', field: '', line: bad + 1 } }
  }
  return { write, taken, requests: () => requests }
}

const bodyOf = (rows: readonly string[]): string => rows.map((row) => `${row}\n`).join('')
const text = (line: Uint8Array): string => Buffer.from(line).toString().trimEnd()

test('the bad rows, and no others, are rejected, and the rest lands', async () => {
  const row = fc.constantFrom('g', 'g', 'g', 'b')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(row, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 5 }),
      async (kinds) => {
        let n = 0
        const batches = kinds.map((of) => of.map((kind) => `${kind}${n++}`))
        const { write, taken } = database()
        const landed = await land(
          batches.map((rows) => batchOf(bodyOf(rows))),
          write,
        )
        const rejected =
          landed.kind === 'landed' ? landed.rejected.map(({ line }) => text(line)) : assert.fail(landed.reason)
        const all = batches.flat()
        assert.deepEqual([...taken].sort(), all.filter((name) => name.startsWith('g')).sort())
        assert.deepEqual(rejected.sort(), all.filter((name) => name.startsWith('b')).sort())
      },
    ),
  )
})

test('one bad row of 10,000 costs five requests, all bad ones about three each', async () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => (i === 6_543 ? `b${i}` : `g${i}`))
  const one = database()
  await land([batchOf(bodyOf(rows))], one.write)
  assert.equal(one.requests(), 5)
  const all = database()
  await land([batchOf(bodyOf(rows.slice(0, 500).map((row) => `b${row}`)))], all.write)
  assert.ok(all.requests() < 500 * 3, String(all.requests()))
})

test('a row over which the server fails is rejected only because its neighbours got in', async () => {
  const { write, taken } = database()
  const landed = await land([batchOf(bodyOf(['g1', 's2', 'g3']))], write)
  assert.deepEqual(landed.kind === 'landed' && landed.rejected.map(({ line }) => text(line)), ['s2'])
  assert.deepEqual([...taken], ['g1', 'g3'])
})

test('a server that fails over everything is to blame, not the rows', async () => {
  const { write, requests } = database()
  const landed = await land([batchOf(bodyOf(Array.from({ length: 1_000 }, (_, i) => `s${i}`)))], write)
  assert.deepEqual(landed, { kind: 'unavailable', reason: 'words' })
  assert.ok(requests() < 40, String(requests()))
})

test('a database that goes away half-way stops it', async () => {
  let requests = 0
  const { write } = database()
  const landed = await land([batchOf(bodyOf(['g1', 'b2', 'g3', 'b4']))], async (bodies) =>
    ++requests < 3 ? write(bodies) : { kind: 'unavailable', reason: 'gone' },
  )
  assert.deepEqual(landed, { kind: 'unavailable', reason: 'gone' })
})

test('parts are all of the rows in order, each smaller than the whole', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 50 }), fc.integer({ min: -3, max: 60 }), (length, line) => {
      const rows = Array.from({ length }, (_, i) => i)
      const parts = partsAround(rows, line)
      assert.deepEqual(parts.flat(), rows)
      assert.ok(parts.every((part) => part.length > 0 && part.length < length))
    }),
  )
})
