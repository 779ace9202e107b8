import assert from 'node:assert/strict'
import test from 'node:test'
import { readManifests } from './manifests.ts'

const FLEET = `apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata:
  name: doors
  namespace: lab
spec:
  measurements:
    - name: open
      type: Boolean
`

const RULE = `apiVersion: fleetloom.io/v1alpha1
kind: AlertRule
metadata: {name: left-open, namespace: lab}
spec: {fleet: doors, when: last(open)}
`

const unseen = () => undefined

const read = (...texts: readonly string[]) =>
  readManifests(
    texts.map((text, i) => ({ file: `${'abc'[i]}.yaml`, text })),
    unseen,
  )

const refusals = (...texts: readonly string[]): string[] =>
  read(...texts).refusals.map(({ file, line, field, message }) => `${file}:${line} ${field} ${message}`)

const keys = (...texts: readonly string[]): string[] =>
  read(...texts).accepted.map(({ kind, ref }) => `${kind} ${ref.namespace}/${ref.name}`)

test('files of several documents, comments and empty ones among them', () => {
  assert.deepEqual(keys(`# first\n---\n${FLEET}---\n---\n${RULE}...\n`), [
    'DeviceFleet lab/doors',
    'AlertRule lab/left-open',
  ])
  assert.deepEqual(refusals(''), [])
  assert.deepEqual(refusals('# nothing\n'), [])
  assert.deepEqual(keys(JSON.stringify({ a: 1 })), [])
})

test('an alias inside of what it stands for is refused and takes nothing else with it', () => {
  const circles = [`apiVersion: &a [*a]\n`, `${FLEET.replace('spec:', 'spec: &a')}    - *a\n`]
  for (const circle of circles) {
    const { accepted, refusals: refused } = read(circle, RULE)
    assert.deepEqual(accepted.length, 1)
    assert.deepEqual(
      refused.map(({ file, message }) => `${file} ${message}`),
      ['a.yaml is not valid YAML: an alias stands inside of what it stands for'],
    )
  }
})

test('of thousands of faults some are told, and how many more there are', () => {
  const fields = Array.from({ length: 5_000 }, (_, i) => `  f${i}: 1\n`).join('')
  const told = refusals(FLEET + fields)
  assert.equal(told.length, 21)
  assert.match(told[0] ?? '', /spec\.f0 unknown field/)
  assert.match(told.at(-1) ?? '', /and 4980 more faults/)
  assert.deepEqual(refusals('x\n---\n'.repeat(2_000)), [
    'a.yaml:1  holds more than 1000 documents; part it into several files',
  ])
})

test('the namespace is default where none is given', () => {
  assert.deepEqual(keys(FLEET.replace('  namespace: lab\n', '')), ['DeviceFleet default/doors'])
  assert.deepEqual(keys(FLEET.replace('lab', 'null')), [])
})

test('a manifest as a server shows it is taken, its status and server fields passed over', () => {
  const text = FLEET.replace(
    '  name: doors',
    '  name: doors\n  uid: x\n  resourceVersion: "5"\n  generation: 7\n  finalizers: [a]\n  labels: {a: b}\n  annotations: {note: hi}',
  )
  const { accepted } = read(`${text}status: {anything: goes}\n`)
  assert.deepEqual(accepted[0]?.annotations, { note: 'hi' })
  assert.deepEqual(accepted[0]?.ref, { namespace: 'lab', name: 'doors' })
})

test('a refusal names file, line, field and reason', () => {
  const text = FLEET.replace('Boolean', 'Bolean').replace('kind: DeviceFleet\n', 'kind: DeviceFleet\n\n# a comment\n')
  assert.deepEqual(refusals(RULE, text), [
    'b.yaml:11 spec.measurements[0].type must be one of Double, Long, Boolean, Symbol, String, not "Bolean"; did you mean "Boolean"?',
  ])
})

test('lines in a second document, of unknown fields, of missing fields and of CEL rules', () => {
  assert.deepEqual(refusals(`${RULE}---\n${FLEET}  sotrage:\n    ttl: 1d\n`), [
    'a.yaml:15 spec.sotrage unknown field; did you mean "storage"?',
  ])
  assert.deepEqual(refusals(FLEET.replace('      type: Boolean\n', '')), [
    'a.yaml:8 spec.measurements[0].type is required',
  ])
  assert.deepEqual(refusals(`${FLEET}  storage:\n    partitionBy: Day\n    ttl: 31h\n  payload: {acceptPast: 1d}\n`), [
    'a.yaml:10 spec.storage ttl must be a whole multiple of partitionBy: whole days for Day, weeks (w) for Week',
  ])
})

test('a field behind an alias is found', () => {
  const text = FLEET.replace(
    '    - name: open\n      type: Boolean',
    '    - &m\n      name: Open\n      type: Boolean\n    - *m',
  )
  const lines = read(text).refusals.map(({ line, field }) => `${line} ${field}`)
  assert.deepEqual(lines, ['9 spec.measurements[0].name', '9 spec.measurements[1].name', '11 spec.measurements[1]'])
})

test('what is no YAML is refused with its line; the other documents stand', () => {
  const text = `${RULE}---\n${FLEET}  storage: {ttl: 1d\n`
  const { accepted, refusals: refused } = read(text)
  assert.deepEqual(
    accepted.map(({ kind }) => kind),
    ['AlertRule'],
  )
  assert.equal(refused.length, 1)
  assert.match(refused[0]?.message ?? '', /^is not valid YAML: /)
  assert.ok((refused[0]?.line ?? 0) >= 15)
  assert.equal(refused[0]?.resource, undefined)
  assert.deepEqual(refusals('a: 1\na: 2\n'), ['a.yaml:2  is not valid YAML: Map keys must be unique'])
  assert.match(refusals('\ta: 1\n')[0] ?? '', /^a\.yaml:1 {2}is not valid YAML: /)
})

test('aliases that would grow without bound are refused', () => {
  const bomb = Array.from(
    { length: 9 },
    (_, i) => `${'abcdefghi'[i]}: &${'abcdefghi'[i]} [${Array(9).fill(i === 0 ? 'x' : `*${'abcdefghi'[i - 1]}`)}]`,
  )
  assert.match(refusals(bomb.join('\n'))[0] ?? '', /Excessive alias count/)
})

test('a resource that appears twice is refused in both places', () => {
  assert.deepEqual(refusals(FLEET, `${RULE}---\n${FLEET}`), [
    'a.yaml:4 metadata.name DeviceFleet lab/doors is also defined in b.yaml:6',
    'b.yaml:9 metadata.name DeviceFleet lab/doors is also defined in a.yaml:1',
  ])
  assert.deepEqual(keys(FLEET, `${RULE}---\n${FLEET}`), ['AlertRule lab/left-open'])
})

test('one name in two namespaces, or of two kinds, is not twice', () => {
  assert.deepEqual(refusals(FLEET, FLEET.replace('lab', 'field'), RULE.replace('left-open', 'doors')), [])
})

test('a wrong apiVersion or kind is named', () => {
  assert.deepEqual(refusals('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n'), [
    'a.yaml:1 apiVersion must be fleetloom.io/v1alpha1, not "apps/v1"',
  ])
  assert.deepEqual(refusals('kind: DeviceFleet\nmetadata: {name: x}\n'), [
    'a.yaml:1 apiVersion must be fleetloom.io/v1alpha1, not missing',
  ])
  assert.deepEqual(refusals('apiVersion: fleetloom.io/v1alpha1\n\nkind: Alertrule\n'), [
    'a.yaml:3 kind must be DeviceFleet or AlertRule, not "Alertrule"; did you mean "AlertRule"?',
  ])
})

test('a name or namespace that can not be is refused', () => {
  assert.deepEqual(refusals(FLEET.replace('lab', 'Lab')), [
    'a.yaml:5 metadata.namespace must match ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$, which "Lab" does not',
  ])
  assert.deepEqual(refusals(FLEET.replace('doors', '5')), ['a.yaml:4 metadata.name is required: text'])
  assert.deepEqual(refusals(FLEET.replace('  name:', '  nmae:')), ['a.yaml:3 metadata.name is required: text'])
  assert.deepEqual(refusals(FLEET.replace('  name: doors', '  name: doors\n  anotations: {}')), [
    'a.yaml:5 metadata.anotations unknown field; did you mean "annotations"?',
  ])
})

test('a change is judged against the last good version', () => {
  const last = read(FLEET).accepted[0]?.spec
  const changed = FLEET.replace('Boolean', 'Long')
  const { refusals: refused } = readManifests([{ file: 'a.yaml', text: changed }], () => last)
  assert.equal(refused.length, 1)
  assert.deepEqual([refused[0]?.line, refused[0]?.field], [8, 'spec.measurements[0]'])
  assert.match(refused[0]?.message ?? '', /^type can not change.*add a measurement of another name/)
  assert.deepEqual(refused[0]?.resource, { kind: 'DeviceFleet', namespace: 'lab', name: 'doors' })
})

test('a refused manifest of a known resource says so', () => {
  const { refusals: refused } = read(FLEET.replace('Boolean', 'x'))
  assert.deepEqual(refused[0]?.resource, { kind: 'DeviceFleet', namespace: 'lab', name: 'doors' })
})
