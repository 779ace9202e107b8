import assert from 'node:assert/strict'
import { test } from 'node:test'
import { T0_MICROS, transitionOf } from '../testing.ts'
import { postable } from './alert.ts'

const T0_MS = T0_MICROS / 1000
const settings = { expiresMs: 240_000, generatorUrl: 'https://g.example/{fleet}?d={device}' }

test('a firing alert bears what it is about, and ends unless it is sent again', () => {
  assert.deepEqual(
    postable(transitionOf({ value: 8.25, labels: { team: 'cold', empty: '' } }), settings, T0_MS + 500),
    {
      labels: {
        team: 'cold',
        alertname: 'too-warm',
        namespace: 'coldchain',
        fleet: 'reefers',
        device: 'reefer-7',
        severity: 'critical',
      },
      annotations: { summary: 'reefer-7 is at 8.25 Cel', value: '8.25' },
      startsAt: '2023-11-14T22:13:20.000000Z',
      endsAt: '2023-11-14T22:17:20.500000Z',
      generatorURL: 'https://g.example/reefers?d=reefer-7',
    },
  )
})

test('a resolved alert has ended at its event time, but by now at the latest', () => {
  const resolved = transitionOf({ to: 'resolved', firingSinceMicros: T0_MICROS, atMicros: T0_MICROS + 5_000_000 })
  const ends = (nowMs: number) => postable(resolved, settings, nowMs).endsAt
  assert.equal(ends(T0_MS + 60_000), '2023-11-14T22:13:25.000000Z')
  assert.equal(ends(T0_MS + 1_000), '2023-11-14T22:13:21.000000Z')
})

test('an alert of a device whose clock runs ahead never ends before it began', () => {
  const ahead = postable(transitionOf({}), settings, T0_MS - 300_000)
  assert.deepEqual([ahead.startsAt, ahead.endsAt], ['2023-11-14T22:13:20.000000Z', '2023-11-14T22:17:20.000000Z'])
  const ended = transitionOf({ to: 'resolved', firingSinceMicros: T0_MICROS, atMicros: T0_MICROS + 1 })
  const { startsAt, endsAt } = postable(ended, settings, T0_MS - 300_000)
  assert.deepEqual([startsAt, endsAt], ['2023-11-14T22:08:20.000000Z', '2023-11-14T22:08:20.000000Z'])
})

test("the rule's own annotation `value` is the one that is told", () => {
  const { annotations } = postable(transitionOf({ value: 8.25, annotations: { value: '8.3 Cel' } }), settings, T0_MS)
  assert.deepEqual(annotations, { value: '8.3 Cel' })
})
