import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseJson, utf8Text } from './json.ts'
import { isRejection } from './rejection.ts'

/** Value, and the sources of the field `ts` in it and in what it holds, as the platform's own parser tells them. */
const expected = (text: string) => {
  const sources: string[] = []
  JSON.parse(text, function (this: unknown, key: string, value: unknown, context?: { source?: string }) {
    if (key === 'ts') sources.push(context?.source ?? '')
    return value
  } as Parameters<typeof JSON.parse>[1])
  return sources
}

const held = (value: unknown, sourceIn: (object: unknown) => string): string[] => {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap((one) => held(one, sourceIn))
  return Object.hasOwn(value, 'ts') && !Array.isArray(value) ? [...inner, sourceIn(value)] : inner
}

const check = (text: string): void => {
  const json = parseJson(text, 'ts')
  assert.ok(!isRejection(json), text)
  assert.deepEqual(json.value, JSON.parse(text))
  assert.deepEqual(held(json.value, json.sourceIn).sort(), expected(text).sort(), text)
}

test('the source of the timestamp is what stands there, wherever and however often', () => {
  for (const text of [
    '{"ts":1700000000123456789}',
    '{"a":"ts" , "ts" : 1.50e3 }',
    '{"ts":\t"2026-01-31T12:00:00Z","a":[1,{"b":2}]}',
    '{"ts":true}',
    '{"ts":null}',
    '{"ts":{"ts":7.0}}',
    '{"ts":[1]}',
    '{"a":{"ts":1e3},"b":"ts"}',
    '{"a":"\\"ts\\":5","ts":-0.0}',
    '{"t\\u0073":12.0}',
    '[{"ts":1.0},{"ts":2.0},7,{"b":1}]',
    '"ts"',
    '7',
  ])
    check(text)
})

const name = fc.constantFrom('ts', 'a', 't\u0073"', 'ts:', '"ts"')
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom('ts', '"ts":1', null, true, '\\')),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(name, tie('any'), { maxKeys: 3 }),
  ),
})).any

test('it agrees with a parser that sees every field, on any JSON', () => {
  fc.assert(fc.property(value, fc.constantFrom(undefined, 1), (any, space) => check(JSON.stringify(any, null, space))))
})

test('what is no JSON, or no UTF-8, is told', () => {
  assert.deepEqual(parseJson('{"ts":NaN}', 'ts'), {
    reason: 'not_finite',
    field: '',
    detail: 'NaN and Infinity are not JSON numbers',
  })
  for (const text of ['', '{', '{"ts":1,}', '{"ts":1}{'])
    assert.equal((parseJson(text, 'ts') as { reason: string }).reason, 'malformed_json')
  assert.equal(utf8Text(Uint8Array.of(0xff)), undefined)
})
