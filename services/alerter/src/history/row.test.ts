import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transitionOf } from '../testing.ts'
import { rowOf } from './row.ts'

test('a transition is one row, in nanoseconds, with its id', () => {
  assert.equal(
    rowOf('alerts', transitionOf({ id: 'ab', atMicros: 1_700_000_000_000_001, value: 8.25 })),
    'alerts,namespace=coldchain,fleet=reefers,rule=too-warm,device=reefer-7,from=inactive,to=firing,cause=condition,severity=critical value=8.25,id="ab" 1700000000000001000\n',
  )
})

test('a value that is none is left out', () => {
  for (const value of [undefined, Number.NaN, Number.POSITIVE_INFINITY])
    assert.match(rowOf('alerts', { ...transitionOf({ id: 'ab' }), value }), / id="ab" \d+\n$/)
})
