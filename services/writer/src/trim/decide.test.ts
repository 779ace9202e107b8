import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { firstKept, HIGH_WATER, LOW_WATER, type StreamFacts } from './decide.ts'

const facts = (over: Partial<StreamFacts>): StreamFacts => ({
  firstSeq: 1,
  lastSeq: 100,
  bytes: 100,
  maxBytes: 1000,
  ackFloor: 100,
  keepSeq: 1,
  ...over,
})

test('a table of decisions', () => {
  const rows: [string, Partial<StreamFacts>, number | undefined][] = [
    ['young and roomy: nothing', {}, undefined],
    ['old ones go', { keepSeq: 41 }, 41],
    ['all are old', { keepSeq: 101 }, 101],
    ['old but unread ones stay', { keepSeq: 41, ackFloor: 20 }, 21],
    ['nothing read: nothing goes', { keepSeq: 101, ackFloor: 0, bytes: 1000 }, undefined],
    ['too full: down to the low water', { bytes: 800 }, 39],
    ['too full of unread ones: only the read ones go', { bytes: 800, ackFloor: 10 }, 11],
    ['empty', { firstSeq: 101, lastSeq: 100, bytes: 0 }, undefined],
  ]
  for (const [name, over, expected] of rows) assert.equal(firstKept(facts(over)), expected, name)
})

const streams = fc
  .record({
    firstSeq: fc.integer({ min: 1, max: 1e9 }),
    sizes: fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1, maxLength: 60 }),
    fill: fc.double({ min: 0.01, max: 1, noNaN: true }),
    floor: fc.double({ min: 0, max: 1, noNaN: true }),
    keep: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ firstSeq, sizes, fill, floor, keep }) => {
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    const lastSeq = firstSeq + sizes.length - 1
    const at = (share: number) => firstSeq - 1 + Math.round(share * sizes.length)
    return {
      sizes,
      facts: { firstSeq, lastSeq, bytes, maxBytes: bytes / fill, ackFloor: at(floor), keepSeq: at(keep) + 1 },
    }
  })

test('what is not acknowledged is never deleted, and a decision always moves forward', () => {
  fc.assert(
    fc.property(streams, ({ facts: given }) => {
      const kept = firstKept(given)
      if (kept === undefined) return
      assert.ok(kept <= given.ackFloor + 1 && kept > given.firstSeq && kept <= given.lastSeq + 1)
    }),
  )
})

test('within the keep time nothing goes unless the stream is too full', () => {
  fc.assert(
    fc.property(streams, ({ facts: given }) => {
      const kept = firstKept(given)
      if (given.bytes <= given.maxBytes * HIGH_WATER && kept !== undefined) assert.ok(kept <= given.keepSeq)
    }),
  )
})

test('repeated decisions bring a stream that is all read below the high water', () => {
  fc.assert(
    fc.property(streams, ({ sizes, facts: given }) => {
      const left = [...sizes]
      let now: StreamFacts = { ...given, ackFloor: given.lastSeq }
      for (let i = 0; i < 80; i++) {
        const kept = firstKept(now)
        if (kept === undefined) break
        left.splice(0, kept - now.firstSeq)
        now = { ...now, firstSeq: kept, bytes: left.reduce((sum, size) => sum + size, 0) }
      }
      assert.ok(now.bytes <= now.maxBytes * HIGH_WATER)
      assert.ok(LOW_WATER < HIGH_WATER)
    }),
  )
})
