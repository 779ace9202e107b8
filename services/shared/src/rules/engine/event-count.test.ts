import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EventCounts } from './event-count.ts'
import { WindowClock } from './moment.ts'

const WINDOW_MS = 7001
const START = 1_700_000_000_000_000

test('a window holds the events of its sixty buckets in whatever order they come, and says when one leaves', () => {
  const step = fc.record({
    pass: fc.nat(3_000_000),
    events: fc.array(fc.integer({ min: -9_000_000, max: 1_000_000 }), { maxLength: 4 }),
    isRestarted: fc.boolean(),
  })
  const property = fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    const clock = new WindowClock(WINDOW_MS)
    let counts = new EventCounts(clock)
    counts.watch(1)
    let now = START
    let newest = 0
    const buckets: number[] = []
    const isHeld = (bucket: number) => bucket > newest - 60
    for (const { pass, events, isRestarted } of steps) {
      now += pass
      clock.set(now)
      for (const after of events) {
        const bucket = clock.bucketOf(now + after)
        newest = Math.max(newest, bucket, clock.bucket)
        buckets.push(bucket)
        assert.equal(counts.add(1, now + after), isHeld(bucket))
      }
      newest = Math.max(newest, clock.bucket)
      const held = buckets.filter(isHeld)
      if (isRestarted) {
        const next = new EventCounts(clock)
        next.load(1, counts.save(1))
        counts = next
      }
      assert.equal(counts.count(1), held.length)
      const leaves = held.map((bucket) => clock.leaves(bucket)).filter((at) => at >= now)
      assert.equal(counts.nextLeave(1, now), Math.min(Number.POSITIVE_INFINITY, ...leaves))
    }
  })
  fc.assert(property, { numRuns: 300 })
})
