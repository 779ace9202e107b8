import assert from 'node:assert/strict'
import test from 'node:test'
import { CEL_FUNCTIONS } from '@fleetloom/crds/cel-functions'
import { KIND_NAMES, resourceSchema } from '@fleetloom/crds/kinds'
import { label } from '@fleetloom/crds/names'
import type { OpenApi } from '@fleetloom/crds/openapi'
import type { Rule } from '@fleetloom/crds/schema'
import {
  deviceLevel,
  disjointTopics,
  ERRORS_PATTERN,
  filterOf,
  overlaps,
  sameDeviceLevel,
} from '@fleetloom/crds/topics'
import { celBytes, celMs, DURATION_UNITS, durationMs, QUANTITY_UNITS, quantityBytes } from '@fleetloom/crds/units'
import type { ASTNode } from '@marcbachmann/cel-js'
import fc from 'fast-check'
import { readManifests } from './manifests.ts'
import { compile, ruleFaults } from './rules.ts'
import type { Kind } from './source.ts'
import { structure } from './structure.ts'
import { CEL_CASES, type CelCase, caseResource, type Fields } from './testing.ts'

const read = (kind: Kind, set: Fields, last?: unknown) =>
  readManifests([{ file: 'case.json', text: JSON.stringify(caseResource(kind, set)) }], () => last)

const judge = ({ kind, set, old }: CelCase): string[] => {
  const last = old && read(kind, old)
  assert.deepEqual(last?.refusals ?? [], [], 'the old version is not valid')
  const { refusals } = read(kind, set, last?.accepted[0]?.spec)
  return refusals.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).sort()
}

for (const one of CEL_CASES)
  test(`CEL case: ${one.case} (${one.kind})`, () => {
    const said = judge(one)
    const wanted = [...one.expect].sort()
    assert.equal(said.length, wanted.length, said.join('\n'))
    for (const [i, want] of wanted.entries()) assert.ok(said[i]?.startsWith(want), `${said[i]}\ninstead of\n${want}`)
  })

const rulesOf = (schema: OpenApi): readonly Rule[] => [
  ...(schema['x-kubernetes-validations'] ?? []),
  ...Object.values(schema.properties ?? {}).flatMap(rulesOf),
  ...(schema.items ? rulesOf(schema.items) : []),
  ...(schema.additionalProperties ? rulesOf(schema.additionalProperties) : []),
]

const RULES = KIND_NAMES.flatMap((kind) => rulesOf(resourceSchema(kind)))

test('each message of a rule is produced by some case', () => {
  const said = new Set(CEL_CASES.filter(({ expect }) => expect.length > 0).flatMap(judge))
  const unsaid = RULES.filter(({ message }) => ![...said].some((text) => text.endsWith(message)))
  assert.deepEqual(unsaid, [])
})

const calls = (node: unknown): string[] => {
  if (Array.isArray(node)) return node.flatMap(calls)
  if (typeof node !== 'object' || node === null) return []
  const { op, args } = node as ASTNode
  const own = op === 'call' || op === 'rcall' ? [args[0]] : []
  return [...own, ...calls(args)]
}

test('rules call only functions that mean the same in both engines', () => {
  const called = new Set(RULES.flatMap(({ rule }) => calls(compile(rule).ast)))
  assert.deepEqual([...called].sort(), [...CEL_FUNCTIONS].sort())
})

test('every rule type-checks and gives a truth value', () => {
  const wrong = RULES.filter(({ rule }) => compile(rule).check().type !== 'bool')
  assert.deepEqual(wrong, [])
})

const defaultsOf = (schema: OpenApi, path: string): (readonly [string, OpenApi])[] => [
  ...(schema.default === undefined ? [] : [[path, schema] as const]),
  ...Object.entries(schema.properties ?? {}).flatMap(([key, child]) => defaultsOf(child, `${path}.${key}`)),
  ...(schema.items ? defaultsOf(schema.items, `${path}[]`) : []),
]

test('every default passes the rules as it stands, which the API server asks of a CRD', () => {
  for (const kind of KIND_NAMES)
    for (const [path, schema] of defaultsOf(resourceSchema(kind), kind)) {
      assert.deepEqual(structure(schema.default, schema).faults, [], path)
      assert.deepEqual(ruleFaults(schema.default, schema.default, schema), [], path)
    }
})

test('a rule that can not be judged refuses, and says so', () => {
  const schema: OpenApi = {
    type: 'string',
    'x-kubernetes-validations': [{ rule: 'int(self) > 1', message: 'must be more than one' }],
  }
  assert.deepEqual(ruleFaults('2', undefined, schema), [])
  const [fault] = ruleFaults('two', undefined, schema, ['spec', 'n'])
  assert.deepEqual(fault?.path, ['spec', 'n'])
  assert.match(fault?.message ?? '', /^must be more than one \(the rule could not be judged: /)
})

const count = fc.integer({ min: 0, max: 99999 })

test('CEL and code agree on durations', () => {
  const program = compile(celMs('self'))
  const unit = fc.constantFrom(...Object.keys(DURATION_UNITS))
  fc.assert(
    fc.property(count, unit, (n, u) => {
      assert.equal(program({ self: `${n}${u}`, oldSelf: '' }), BigInt(durationMs(`${n}${u}`)))
    }),
  )
})

test('CEL and code agree on quantities', () => {
  const program = compile(celBytes('self'))
  const unit = fc.constantFrom('', ...Object.keys(QUANTITY_UNITS))
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 999 }), unit, (n, u) => {
      assert.equal(program({ self: `${n}${u}`, oldSelf: '' }), BigInt(quantityBytes(`${n}${u}`)))
    }),
  )
})

const level = fc.constantFrom('a', 'b', '{measurement}')
const pattern = (hash: boolean) =>
  fc
    .tuple(fc.array(level, { maxLength: 2 }), fc.array(level, { maxLength: 2 }), fc.boolean())
    .map(([before, after, open]) => ['r', ...before, '{device}', ...after, ...(open && hash ? ['#'] : [])].join('/'))
const topicLists = fc.record({
  telemetry: fc.array(pattern(false), { minLength: 1, maxLength: 2 }),
  events: fc.array(pattern(false), { maxLength: 2 }),
  commands: fc.array(pattern(false), { maxLength: 1 }),
  replies: fc.array(pattern(false), { maxLength: 1 }),
})
const accessLists = fc.record({
  publish: fc.array(pattern(true), { maxLength: 2 }),
  subscribe: fc.array(pattern(true), { maxLength: 2 }),
})

const meet = (a: string, b: string): boolean => overlaps(filterOf(a), filterOf(b))

test('CEL and code agree on which topics are apart', () => {
  const program = compile(disjointTopics.rule)
  fc.assert(
    fc.property(topicLists, (topics) => {
      const all = [...Object.values(topics).flat(), ERRORS_PATTERN]
      const apart = all.every((a, i) => all.every((b, j) => i === j || !meet(a, b)))
      assert.equal(program({ self: topics, oldSelf: undefined }), apart)
    }),
  )
})

test('CEL and code agree on where devices could meet', () => {
  const program = compile(sameDeviceLevel.rule)
  fc.assert(
    fc.property(topicLists, accessLists, (topics, access) => {
      const extra = Object.values(access).flat()
      const all = [...Object.values(topics).flat(), ...extra]
      const safe = extra.every((a) => all.every((b) => !meet(a, b) || deviceLevel(a) === deviceLevel(b)))
      assert.equal(program({ self: { topics, access }, oldSelf: undefined }), safe)
    }),
  )
})

test('with patterns that pass, no device gets at a topic of another', () => {
  const program = compile(sameDeviceLevel.rule)
  const fill = (text: string, device: string) => text.replace('{device}', device).replaceAll('{measurement}', '+')
  fc.assert(
    fc.property(topicLists, accessLists, (topics, access) => {
      fc.pre(program({ self: { topics, access }, oldSelf: undefined }) === true)
      fc.pre(compile(disjointTopics.rule)({ self: topics, oldSelf: undefined }) === true)
      const all = [...Object.values(topics).flat(), ...Object.values(access).flat()]
      for (const a of all) for (const b of all) assert.ok(!overlaps(fill(a, 'a'), fill(b, 'b')), `${a} ${b}`)
    }),
  )
})

test('cases have names of their own', () => {
  const names = CEL_CASES.map(({ kind, case: name }) => label({ namespace: kind, name }))
  assert.deepEqual([...new Set(names)], names)
})
