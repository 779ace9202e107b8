import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeviceHash } from '../decode/device.ts'
import { RateSketch } from './rate.ts'

const hasher = new DeviceHash()

const counter = (limit: number) => {
  const sketch = new RateSketch(limit)
  return {
    sketch,
    message: (id: string, nowMs: number): boolean => {
      const bytes = Buffer.from(id)
      assert.ok(hasher.take(bytes, 0, bytes.length))
      sketch.tick(nowMs)
      const over = sketch.count(hasher.hash, hasher.mark)
      if (over) sketch.exceeded(id, hasher.hash, nowMs)
      return over
    },
  }
}

test('a device is over the limit with the first message beyond it, in each second anew', () => {
  const { message, sketch } = counter(3)
  const seen = [1, 2, 3, 4, 5].map(() => message('a', 1000))
  assert.deepEqual(seen, [false, false, false, true, true])
  assert.deepEqual([message('a', 2000), message('b', 2000)], [false, false])
  assert.deepEqual(sketch.since(0), [{ device: 'a', perSecond: 5, atMs: 1000 }])
  assert.deepEqual(sketch.since(1001), [])
})

test('among a hundred thousand devices within the limit none is blamed, and one far over it is found', () => {
  const { message, sketch } = counter(20)
  for (let round = 0; round < 3; round++) for (let i = 0; i < 100_000; i++) message(`device-${i}`, 5000)
  assert.deepEqual(sketch.since(0), [])
  for (let i = 0; i < 100; i++) message('loud', 5000)
  assert.deepEqual(
    sketch.since(0).map(({ device }) => device),
    ['loud'],
  )
})
