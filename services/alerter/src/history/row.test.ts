import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transitionOf } from '../testing.ts'
import { rowOf } from './row.ts'

test('a transition is one row, in nanoseconds, with its id', () => {
  const one = transitionOf({
    id: 'ab',
    from: 'firing',
    to: 'resolved',
    atMicros: 1_700_000_000_000_001,
    firingSinceMicros: 1_700_000_000_000_000,
    value: 8.25,
    labels: { team: 'cold' },
    annotations: { summary: 'says "8 \\ 9"\nand more' },
  })
  assert.equal(
    rowOf('alerts', one),
    'alerts,namespace=coldchain,fleet=reefers,rule=too-warm,device=reefer-7,from=firing,to=resolved,cause=condition,severity=critical ' +
      'value=8.25,id="ab",rule_uid="uid-too-warm",firing_since=1700000000000000t,labels="{\\"team\\":\\"cold\\"}",' +
      'annotations="{\\"summary\\":\\"says \\\\\\"8 \\\\\\\\ 9\\\\\\"\\\\nand more\\"}" 1700000000000001000\n',
  )
})

test('a value that is none is left out', () => {
  for (const value of [undefined, Number.NaN, Number.POSITIVE_INFINITY])
    assert.match(rowOf('alerts', { ...transitionOf({ id: 'ab' }), value }), / id="ab",/)
})
