import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSelector, SelectorError } from './label-selector.ts'

const labels = { cargo: 'vaccine', site: 'oslo', empty: '', 'fleetloom.io/tier': 'a' }

test('each form of a requirement matches as in Kubernetes', () => {
  const cases: [string, boolean][] = [
    ['', true],
    ['cargo=vaccine', true],
    ['cargo==vaccine', true],
    ['cargo = fish', false],
    ['absent=x', false],
    ['cargo!=fish', true],
    ['absent!=x', true],
    ['cargo!=vaccine', false],
    ['cargo in (fish, vaccine)', true],
    ['absent in (fish)', false],
    ['cargo notin (fish)', true],
    ['absent notin (fish)', true],
    ['cargo notin (fish,vaccine)', false],
    ['cargo', true],
    ['absent', false],
    ['!absent', true],
    ['!cargo', false],
    ['empty=', true],
    ['absent=', false],
    ['fleetloom.io/tier in (a,b),site=oslo,!absent', true],
    ['fleetloom.io/tier in (a,b),site=bergen', false],
    ['toString', false],
  ]
  for (const [selector, expected] of cases) assert.equal(parseSelector(selector)(labels), expected, selector)
})

test('a selector that can not be read names the part at fault', () => {
  for (const selector of ['a=b,,c', 'a b', 'cargo in vaccine', 'a in (x y)', '=x', 'a=$', 'a>1'])
    assert.throws(() => parseSelector(selector), SelectorError, selector)
  assert.throws(() => parseSelector('ok=1,a>1'), /"a>1" is none of key/)
})
