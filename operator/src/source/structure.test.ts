import assert from 'node:assert/strict'
import test from 'node:test'
import { alertRuleSpec } from '@fleetloom/crds/alert-rule'
import { deviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { type OpenApi, openApiOf } from '@fleetloom/crds/openapi'
import fc from 'fast-check'
import { pathText, structure } from './structure.ts'

const text = (more: Partial<OpenApi> = {}): OpenApi => ({ type: 'string', ...more })
const object = (properties: Record<string, OpenApi>, more: Partial<OpenApi> = {}): OpenApi => ({
  type: 'object',
  properties,
  ...more,
})

const faults = (value: unknown, schema: OpenApi): string[] =>
  structure(value, schema, ['spec']).faults.map(({ path, message }) => `${pathText(path)}: ${message}`)

test('defaults are filled in as zod fills them in', () => {
  const fleets = [
    { measurements: [{ name: 'a', type: 'Double' }] },
    { measurements: [{ name: 'a', type: 'Long', minimum: 1 }], storage: { rollups: [] }, stream: { shards: 2 } },
    { measurements: [{ name: 'a', type: 'Long' }], topics: { events: [] }, payload: {}, suspend: true },
  ]
  for (const fleet of fleets)
    assert.deepEqual(structure(fleet, openApiOf(deviceFleetSpec)), { value: deviceFleetSpec.parse(fleet), faults: [] })
  const rule = { fleet: 'a', when: 'true', notify: [{ mqtt: {} }, { webhook: { url: 'http://a' } }] }
  assert.deepEqual(structure(rule, openApiOf(alertRuleSpec)), { value: alertRuleSpec.parse(rule), faults: [] })
})

test('null counts as left out where there is a default, and is a fault elsewhere', () => {
  const schema = object({ a: text({ default: 'x' }), b: text() })
  assert.deepEqual(structure({ a: null }, schema), { value: { a: 'x' }, faults: [] })
  assert.deepEqual(faults({ b: null }, schema), ['spec.b: must be text, not null; write it in quotes'])
})

test('a default is never shared between resources', () => {
  const schema = object({ list: { type: 'array', items: text(), default: [] } })
  const [one, two] = [structure({}, schema), structure({}, schema)].map(({ value }) => value as { list: string[] })
  assert.notEqual(one?.list, two?.list)
})

test('every fault of a value is told, each at its field', () => {
  const schema = object(
    {
      name: text({ maxLength: 3, minLength: 1 }),
      kind: text({ enum: ['Alpha', 'Beta'] }),
      only: text({ enum: ['One'] }),
      size: { type: 'integer', minimum: 1, maximum: 5 },
      ratio: { type: 'number' },
      on: { type: 'boolean' },
      list: { type: 'array', items: text({ pattern: '^a' }), minItems: 1, maxItems: 2 },
      set: { type: 'array', items: text(), 'x-kubernetes-list-type': 'set' },
      map: { type: 'object', additionalProperties: { type: 'integer' }, maxProperties: 1 },
      below: object({}),
      needed: text(),
    },
    { required: ['needed'] },
  )
  const value = {
    name: 'abcd',
    kind: 'alpah',
    only: 'Two',
    size: 1.5,
    ratio: 'x',
    on: 'yes',
    list: ['a', 'b', 3],
    set: ['a', 'b', 'a'],
    map: { a: 1, b: 'x' },
    below: [],
    neded: 'x',
  }
  assert.deepEqual(faults(value, schema).sort(), [
    'spec.below: must be a map, not []',
    'spec.kind: must be one of Alpha, Beta, not "alpah"; did you mean "Alpha"?',
    'spec.list: must have at most 2 items, not 3',
    'spec.list[1]: must match ^a, which "b" does not',
    'spec.list[2]: must be text, not 3; write it in quotes',
    'spec.map.b: must be a whole number, not "x"',
    'spec.map: must have at most 1 entries, not 2',
    'spec.name: must have at most 3 characters, not 4',
    'spec.neded: unknown field; did you mean "needed"?',
    'spec.needed: is required',
    'spec.on: must be true or false, not "yes"',
    'spec.only: must be One, not "Two"',
    'spec.ratio: must be a number, not "x"',
    'spec.set[2]: repeats "a" of spec.set[0]',
    'spec.size: must be a whole number, not 1.5',
  ])
  assert.deepEqual(faults({ needed: '', size: 6, name: '', list: [] }, schema), [
    'spec.name: must have at least 1 characters',
    'spec.size: must be at most 5, not 6',
    'spec.list: must have at least 1 items',
  ])
  assert.deepEqual(faults({ needed: '', size: 0, ratio: Number.NaN, on: true }, schema), [
    'spec.size: must be at least 1, not 0',
    'spec.ratio: must be a number, not null',
  ])
})

test('lengths count characters, not units of UTF-16', () => {
  assert.deepEqual(faults('🚚🚚🚚', text({ maxLength: 3 })), [])
})

test('long values are cut in messages', () => {
  assert.equal(
    faults('x'.repeat(500), { type: 'integer' })[0]?.length,
    'spec: must be a whole number, not '.length + 80,
  )
})

test('no value makes it throw, and what has no fault has the type of the schema', () => {
  const schema = openApiOf(deviceFleetSpec)
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.ok(structure(value, schema).faults.length > 0)))
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
  for (const name of names)
    assert.deepEqual(faults(JSON.parse(`{"${name}": 1}`), object({})), [`spec.${name}: unknown field`])
})
