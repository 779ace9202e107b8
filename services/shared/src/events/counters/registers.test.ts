import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ActiveUsers } from './active-users.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { encodeRegisters, estimate, mergeRegisters, REGISTERS, rankOf, registerOf } from './registers.ts'

const offBy = (found: number, truth: number): number => Math.abs(found - truth) / truth

test('the rank of a hash counts the zeros behind the register, up to all of them', () => {
  assert.deepEqual([rankOf(-1, 0), rankOf(1, 0), rankOf(0, 0x1ffff), rankOf(0, 1), rankOf(0, 0)], [1, 32, 33, 49, 50])
  assert.deepEqual([registerOf(0), registerOf(-1), registerOf(1 << 17)], [0, REGISTERS - 1, 1])
})

test('from one user to a million the count is within 2 %, and exact for a few', () => {
  const users = new ActiveUsers()
  const marks = new Set([1, 2, 5, 10, 100, 1_000, 10_000, 30_000, 100_000, 300_000, 1_000_000])
  for (let n = 1; n <= 1_000_000; n++) {
    users.add(`user-${n}@example.com`, 1_700_000_000 + Math.floor(n / 100))
    if (!marks.has(n)) continue
    const found = estimate(users.since(0))
    if (n <= 10) assert.equal(found, n)
    assert.ok(offBy(found, n) <= 0.02, `${found} of ${n}`)
  }
  for (const [seconds, truth] of [
    [1, 100],
    [60, 6_000],
    [3_600, 360_000],
  ] as const) {
    const found = estimate(users.since(1_700_000_000 + 10_000 - seconds))
    assert.ok(offBy(found, truth) <= 0.02, `${found} of ${truth} in ${seconds} s`)
  }
})

test('over many sets of users the error is that of the paper', () => {
  const squares = Array.from({ length: 40 }, (_, set) => {
    const users = new ActiveUsers()
    for (let n = 0; n < 60_000; n++) users.add(`${set}/${n}`, 1)
    return offBy(estimate(users.since(0)), 60_000) ** 2
  })
  const standardError = Math.sqrt(squares.reduce((sum, one) => sum + one, 0) / squares.length)
  assert.ok(standardError < 1.3 * (1.04 / Math.sqrt(REGISTERS)), String(standardError))
})

const activity = fc.array(fc.tuple(fc.nat(400), fc.nat(100)), { maxLength: 600 })

/** Registers of just these users, nobody's time kept. */
const plain = (users: readonly string[]): Uint8Array => {
  const sketch = new ActiveUsers()
  for (const user of users) sketch.add(user, 0)
  return sketch.since(0)
}

const sketchOf = (rows: readonly (readonly [number, number])[]): ActiveUsers => {
  const sketch = new ActiveUsers()
  for (const [user, second] of rows) sketch.add(`u${user}`, second)
  return sketch
}

test('since any second it is the sketch of the users active from then on, in whatever order they came', () => {
  fc.assert(
    fc.property(activity, fc.nat(101), (rows, since) => {
      const active = rows.filter(([, second]) => second >= since).map(([user]) => `u${user}`)
      assert.deepEqual(sketchOf(rows).since(since), plain(active))
    }),
  )
})

test('sketches of parts merge into that of the whole, and survive being written', () => {
  fc.assert(
    fc.property(activity, activity, fc.nat(101), (a, b, since) => {
      const merged = new Uint8Array(REGISTERS)
      for (const part of [a, b]) {
        const out = new ByteWriter()
        sketchOf(part).write(out)
        mergeRegisters(merged, encodeRegisters(ActiveUsers.read(new ByteReader(out.done())).since(since)))
      }
      assert.deepEqual(merged, sketchOf([...a, ...b]).since(since))
    }),
    { numRuns: 40 },
  )
})

test('sketches of many users merge whichever comes first', () => {
  const names = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `u${from + n}`)
  const [a, b] = [plain(names(0, 60_000)), plain(names(50_000, 100_000))]
  const whole = plain(names(0, 100_000))
  for (const parts of [
    [a, b],
    [b, a],
  ]) {
    const merged = new Uint8Array(REGISTERS)
    for (const part of parts) mergeRegisters(merged, encodeRegisters(part))
    assert.deepEqual(merged, whole)
  }
})

test('users who are active again and again take no more memory', () => {
  const sizes = [1, 1_000].map((times) => {
    const users = new ActiveUsers()
    for (let second = 0; second < times; second++)
      for (let n = 0; n < 100; n++) for (const _ of [1, 2]) users.add(`u${n}`, second)
    const out = new ByteWriter()
    users.write(out)
    return out.done().length
  })
  assert.equal(sizes[0], sizes[1])
})

test('many registers in use are written whole, few with their places', () => {
  const few = plain(['a', 'b', 'c'])
  const many = plain(Array.from({ length: 100_000 }, (_, n) => `u${n}`))
  assert.ok(encodeRegisters(few).length < 20)
  assert.ok(encodeRegisters(many).length < 44_000)
  const merged = new Uint8Array(REGISTERS)
  mergeRegisters(merged, encodeRegisters(many))
  assert.deepEqual(merged, many)
})

test('what is no registers raises nothing beyond its bounds', () => {
  const registers = new Uint8Array(REGISTERS)
  mergeRegisters(registers, Buffer.from([1, ...Array(REGISTERS + 9).fill(255)]).toString('base64'))
  mergeRegisters(registers, Buffer.from([0, 255, 255, 7, 1]).toString('base64'))
  assert.deepEqual(registers, new Uint8Array(REGISTERS))
})
