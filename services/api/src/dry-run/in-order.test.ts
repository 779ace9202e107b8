import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Entry, merged, pagesOf, type ReadPage } from './in-order.ts'

const entriesAt = (times: readonly number[], kind: Entry['kind'] = 'reading'): Entry[] =>
  times.toSorted((a, b) => a - b).map((micros, i) => ({ kind, micros, device: 'd', line: `${kind} ${i}` }))

/** A table that gives its rows in pieces. */
const tableOf = (entries: readonly Entry[], piece: number): ReadPage =>
  async function* (from, limit) {
    const page = entries.filter(({ micros }) => micros >= from).slice(0, limit)
    for (let at = 0; at < page.length; at += piece) yield page.slice(at, at + piece)
  }

const all = async (pieces: AsyncIterable<readonly Entry[]>): Promise<Entry[]> => (await Array.fromAsync(pieces)).flat()

const times = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 40 })
const size = fc.integer({ min: 1, max: 9 })

test('pages hold each row once and in order, however many share an instant', async () => {
  await fc.assert(
    fc.asyncProperty(times, size, size, async (given, page, piece) => {
      const entries = entriesAt(given)
      assert.deepEqual(await all(pagesOf(0, tableOf(entries, piece), page)), entries)
    }),
  )
})

test('readings and events come in order of time, the reading first', async () => {
  await fc.assert(
    fc.asyncProperty(times, times, size, async (one, other, piece) => {
      const [readings, events] = [entriesAt(one), entriesAt(other, 'event')]
      const both = merged(pagesOf(0, tableOf(readings, piece), 3), pagesOf(0, tableOf(events, 2), 4))
      assert.deepEqual(
        await all(both),
        [...readings, ...events].sort((a, b) => a.micros - b.micros),
      )
    }),
  )
})
