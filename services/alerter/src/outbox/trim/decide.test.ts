import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AlertStreamFacts, firstKept, keepFromMs } from './decide.ts'

/** A hundred messages of ten bytes. */
const facts = (over: Partial<AlertStreamFacts>): AlertStreamFacts => ({
  ...{ firstSeq: 1, lastSeq: 100, bytes: 1_000, maxBytes: 1_000, waitingSeq: 101, keepSeq: 101 },
  ...over,
})

test('a table of decisions', () => {
  const rows: [string, Partial<AlertStreamFacts>, number | undefined][] = [
    ['half full: nothing', { maxBytes: 2_000 }, undefined],
    ['full: down to the low water', {}, 71],
    ['what waits for an outlet stays', { waitingSeq: 21 }, 21],
    ['what may be found again stays', { keepSeq: 31 }, 31],
    ['nothing was told: nothing goes', { waitingSeq: 1 }, undefined],
    ['all is young: nothing goes', { keepSeq: 1 }, undefined],
    ['empty', { firstSeq: 101, bytes: 0 }, undefined],
  ]
  for (const [name, over, expected] of rows) assert.equal(firstKept(facts(over)), expected, name)
})

test('what was published since the oldest checkpoint was begun is kept, and a quarter of an hour at least', () => {
  const [now, minute] = [1_000 * 60_000, 60_000]
  assert.equal(keepFromMs(now, []), now - 15 * minute)
  assert.equal(keepFromMs(now, [now, now - minute]), now - 15 * minute)
  assert.equal(keepFromMs(now, [now, now - 60 * minute]), now - 70 * minute)
})
