import assert from 'node:assert/strict'
import test from 'node:test'
import { createEventRing } from './event-ring.ts'
import type { SourceEvent } from './source.ts'

const doors = { kind: 'DeviceFleet', ref: { namespace: 'lab', name: 'doors' } } as const
const locks = { kind: 'DeviceFleet', ref: { namespace: 'lab', name: 'locks' } } as const
const event = (message: string): SourceEvent => ({ type: 'Normal', reason: 'Updated', message })

const ringOf = (capacity: number) => {
  let seconds = 0
  return createEventRing(capacity, () => new Date(seconds++ * 1000))
}

test('identical events of a resource in a row are counted, whatever happens to others', () => {
  const ring = ringOf(10)
  ring.record(doors, event('a'))
  ring.record(locks, event('a'))
  ring.record(doors, event('a'))
  assert.deepEqual(ring.list(), [
    {
      kind: 'DeviceFleet',
      namespace: 'lab',
      name: 'locks',
      ...event('a'),
      count: 1,
      firstSeen: '1970-01-01T00:00:01.000Z',
      lastSeen: '1970-01-01T00:00:01.000Z',
    },
    {
      kind: 'DeviceFleet',
      namespace: 'lab',
      name: 'doors',
      ...event('a'),
      count: 2,
      firstSeen: '1970-01-01T00:00:00.000Z',
      lastSeen: '1970-01-01T00:00:02.000Z',
    },
  ])
})

test('a different event between them starts anew', () => {
  const ring = ringOf(10)
  for (const message of ['a', 'b', 'a']) ring.record(doors, event(message))
  assert.deepEqual(
    ring.list().map(({ message, count }) => [message, count]),
    [
      ['a', 1],
      ['b', 1],
      ['a', 1],
    ],
  )
})

test('the oldest are dropped', () => {
  const ring = ringOf(3)
  for (let i = 0; i < 10; i++) ring.record(doors, event(`${i}`))
  assert.deepEqual(
    ring.list().map(({ message }) => message),
    ['7', '8', '9'],
  )
})
