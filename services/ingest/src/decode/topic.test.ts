import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEVICE_ID } from '@fleetloom/crds/names'
import { hash32 } from '@fleetloom/shared/pipeline/shard'
import fc from 'fast-check'
import { DeviceHash } from './device.ts'
import { compilePattern, matchTopic, topicParts } from './topic.ts'

const match = (pattern: string, topic: string): { device: string; measurement: string } | undefined => {
  const bytes = Buffer.from(`x${topic}y`)
  const parts = topicParts()
  const matched = matchTopic(compilePattern(pattern), bytes, { topicStart: 1, topicEnd: bytes.length - 1 }, parts)
  if (!matched) return undefined
  return {
    device: bytes.toString('utf8', parts.deviceStart, parts.deviceEnd),
    measurement: bytes.toString('utf8', parts.measurementStart, parts.measurementEnd),
  }
}

test('a placeholder takes one whole level', () => {
  const telemetry = 'fleets/a/b/{device}/telemetry'
  assert.deepEqual(
    [
      match(telemetry, 'fleets/a/b/d-1/telemetry'),
      match(telemetry, 'fleets/a/b//telemetry'),
      match(telemetry, 'fleets/a/b/d/1/telemetry'),
      match(telemetry, 'fleets/a/b/d-1/telemetry2'),
      match(telemetry, 'fleets/a/b/d-1'),
      match(telemetry, 'fleets/a/c/d-1/telemetry'),
      match('sensors/{device}/{measurement}', 'sensors/d é/t'),
      match('{measurement}/x/{device}', 't/x/d'),
      match('a/+/{device}/#', 'a/anything/d/b/c'),
      match('a/{device}/+', 'a/d/x/y'),
    ],
    [
      { device: 'd-1', measurement: '' },
      { device: '', measurement: '' },
      undefined,
      undefined,
      undefined,
      undefined,
      { device: 'd é', measurement: 't' },
      { device: 'd', measurement: 't' },
      { device: 'd', measurement: '' },
      undefined,
    ],
  )
})

test('ids are accepted and hashed as the shared code does', () => {
  const device = new DeviceHash()
  const id = fc.stringMatching(/^[A-Za-z0-9. _é=,-]{0,130}$/)
  fc.assert(
    fc.property(id, (text) => {
      const bytes = Buffer.from(text)
      assert.equal(device.take(bytes, 0, bytes.length), DEVICE_ID.test(text))
      if (DEVICE_ID.test(text)) assert.equal(device.hash, hash32(bytes, 0, bytes.length))
    }),
  )
})
