import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mergeCounters, shardCounters, WINDOWS, type WindowName } from './answer.ts'
import { type CountedEvent, EventCounters } from './counters.ts'
import { MOST_TYPES } from './event-types.ts'
import { KEYS_KEPT } from './recent-keys.ts'

const DAY = 86_400e6
const START = 1_700_000_000e6
const NAMES = Object.keys(WINDOWS) as WindowName[]

type Read = { readonly event: CountedEvent; readonly streamMicros: number; readonly shard: number }

/** Every event read, in order; the counts are made of the whole list each time. */
class Reference {
  readonly #seen = new Set<string>()
  readonly #counted: { at: number; type: string; user: string | undefined }[] = []
  #nowMicros = 0

  add({ digestHigh, digestLow, micros, type, user }: CountedEvent, streamMicros: number): void {
    this.#nowMicros = Math.max(this.#nowMicros, streamMicros)
    const key = `${digestHigh}/${digestLow}/${micros}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.#counted.push({ at: Math.min(micros, this.#nowMicros), type, user })
  }

  advance(streamMicros: number): void {
    this.#nowMicros = Math.max(this.#nowMicros, streamMicros)
  }

  view(window?: WindowName) {
    const bucket = window === undefined ? DAY : (WINDOWS[window] * 1000) / 60
    const newest = Math.floor(this.#nowMicros / bucket)
    const inside = this.#counted.filter(({ at }) => window === undefined || Math.floor(at / bucket) > newest - 60)
    const byType = new Map<string, number>()
    for (const { type } of inside) byType.set(type, (byType.get(type) ?? 0) + 1)
    const users = new Set(inside.flatMap(({ user }) => (user ? [user] : [])))
    const types = [...byType]
      .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
      .map(([type, count]) => ({ type, count }))
    return { count: inside.length, users: users.size, types, other: 0 }
  }
}

const event: fc.Arbitrary<CountedEvent> = fc.record({
  digestHigh: fc.integer({ min: -2, max: 2 }),
  digestLow: fc.integer({ min: -3, max: 3 }),
  micros: fc.oneof(
    fc.integer({ min: START, max: START + 3e6 }),
    fc.integer({ min: START - 2 * DAY, max: START + DAY }),
  ),
  type: fc.constantFrom('opened', 'closed', 'login_failed', 'x'),
  user: fc.constantFrom('', 'ada', 'ben', 'eve', 'kim'),
})

/** What is read: events of three shards, some a second time, the stream's clock going on in steps small and large. */
const reading: fc.Arbitrary<Read[]> = fc
  .array(fc.tuple(event, fc.constantFrom(0, 1e3, 1e6, 7e6, 61e6, 3_601e6, DAY / 2), fc.nat(2), fc.option(fc.nat(40))), {
    maxLength: 120,
  })
  .map((rows) => {
    let streamMicros = START
    const reads: Read[] = []
    for (const [fresh, step, shard, again] of rows) {
      streamMicros += step
      const before = again === null ? undefined : reads[reads.length - 1 - again]
      reads.push({ event: before?.event ?? fresh, shard: before?.shard ?? shard, streamMicros })
    }
    // A row is of one device, and so of one shard.
    const shards = new Map<string, number>()
    return reads.map((read) => {
      const { digestHigh, digestLow, micros } = read.event
      const key = `${digestHigh}/${digestLow}/${micros}`
      const known = shards.get(key) ?? read.shard
      shards.set(key, known)
      return { ...read, shard: known }
    })
  })

const restored = (counters: EventCounters): EventCounters => EventCounters.decode(counters.encode())

test('shards together count what a list of all events says, with repeats, late events and checkpoints at any moment', () => {
  fc.assert(
    fc.property(reading, fc.nat(120), (reads, crashAt) => {
      let shards = [new EventCounters(), new EventCounters(), new EventCounters()]
      const references = shards.map(() => new Reference())
      const whole = new Reference()
      reads.forEach(({ event: one, streamMicros, shard }, i) => {
        if (i === crashAt) shards = shards.map(restored)
        for (const counters of shards) counters.advance(streamMicros)
        for (const reference of references) reference.advance(streamMicros)
        shards[shard]?.add(one, streamMicros)
        references[shard]?.add(one, streamMicros)
        whole.add(one, streamMicros)
      })
      const view = mergeCounters(shards.map((counters) => counters.answer()))
      assert.deepEqual(view.total, whole.view())
      for (const name of NAMES) {
        const { perSecond, ...counts } = view.windows[name]
        assert.deepEqual(counts, whole.view(name), name)
        assert.equal(perSecond, counts.count / (WINDOWS[name] / 1000))
      }
      shards.forEach((counters, n) => {
        assert.deepEqual(mergeCounters([counters.answer()]).total, references[n]?.view())
      })
    }),
    { numRuns: 300 },
  )
})

const numbered = (n: number, change: Partial<CountedEvent> = {}): CountedEvent => ({
  digestHigh: Math.imul(n, 0x9e3779b1),
  digestLow: n,
  micros: START + n,
  type: 'opened',
  user: `u${n}`,
  ...change,
})

test('a repeat is told as long as it comes within the keys that are kept, also across a checkpoint', () => {
  let counters = new EventCounters()
  for (let n = 0; n < KEYS_KEPT * 3; n++) assert.equal(counters.add(numbered(n), START + n), true)
  counters = restored(counters)
  for (let n = KEYS_KEPT * 2; n < KEYS_KEPT * 3; n++) assert.equal(counters.add(numbered(n), START), false)
  assert.equal(counters.answer().total, KEYS_KEPT * 3)
})

test('rows whose digests differ only by the time, or are 0, are different rows', () => {
  const counters = new EventCounters()
  const key = { digestHigh: 0, digestLow: 0 }
  for (const micros of [START, START + 1, START + 2 ** 32])
    assert.equal(counters.add(numbered(1, { ...key, micros }), START), true)
  assert.equal(counters.add(numbered(1, { ...key, micros: START }), START), false)
})

test('an event that is too old for every window is in the total, and counted as late', () => {
  const counters = new EventCounters()
  counters.add(numbered(1, { micros: START - 2 * DAY }), START)
  const view = mergeCounters([counters.answer()])
  assert.deepEqual([view.total.count, view.late, view.windows['24h'].count], [1, 1, 0])
})

test('types beyond the bound count as other, and a type that has gone quiet gives its place up', () => {
  let counters = new EventCounters()
  for (let n = 0; n < MOST_TYPES + 10; n++) counters.add(numbered(n, { type: `t${n}` }), START)
  counters = restored(counters)
  const before = counters.answer()
  assert.deepEqual([before.ever.types.length, before.ever.other, before.windows['1m'].other], [MOST_TYPES, 10, 10])
  counters.advance(START + 2 * DAY)
  for (let n = 0; n < 3; n++) counters.add(numbered(n, { type: 'new', micros: START + 2 * DAY + n }), START + 2 * DAY)
  const { types, other } = counters.answer().ever
  assert.deepEqual([types.length, other, types.find(([type]) => type === 'new')], [MOST_TYPES, 11, ['new', 3]])
  const { total } = mergeCounters([restored(counters).answer()])
  assert.equal(total.count, MOST_TYPES + 13)
  const twice = mergeCounters([counters.answer(), counters.answer()]).total
  assert.deepEqual([twice.count, twice.other], [total.count * 2, total.other * 2])
  assert.equal(total.count, total.other + total.types.reduce((sum, { count }) => sum + count, 0))
})

test('what a shard answers is JSON that its reader takes, and a checkpoint of another format is refused', () => {
  const counters = new EventCounters()
  for (let n = 0; n < 50_000; n++) counters.add(numbered(n), START + n)
  const answer = { version: '1.0', uid: 'u', shard: 0, counters: counters.answer() }
  const text = JSON.stringify(answer)
  assert.ok(text.length < 512 * 1024, `${text.length} bytes`)
  assert.deepEqual(shardCounters.parse(JSON.parse(text)), answer)
  const bytes = counters.encode()
  assert.throws(() => EventCounters.decode(bytes.subarray(0, bytes.length - 1)), RangeError)
  bytes[0] = 9
  assert.throws(() => EventCounters.decode(bytes), /format 9/)
})
