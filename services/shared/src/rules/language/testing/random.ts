/** Random expressions as trees, and random readings for them. */
import fc from 'fast-check'
import type { Value } from '../../need.ts'
import { LABELS } from './fleet.ts'
import type { Operator, State, Tree } from './trees.ts'

const NUMBERS = ['last(temperature)', 'last(count)', "avg(temperature, '60s')", "eventCount('x', '60s')"]
const TEXTS = ['last(door)', 'last(note)']
const TRUTHS = ['last(on)', "absent(door, '60s')", 'offline()']

const few = { depthSize: 'small', maxDepth: 4 } as const
const number = fc
  .oneof(fc.integer({ min: 0, max: 9 }), fc.double({ min: 0, max: 1e300, noNaN: true }))
  .map((n) => n + 0)
const text = fc.oneof(fc.constantFrom('', 'a', 'closed', 'truck'), fc.string({ unit: 'grapheme', maxLength: 4 }))
const value = (of: fc.Arbitrary<Value>): fc.Arbitrary<Tree> => of.map((one) => ({ kind: 'value', value: one }))
const read = (names: readonly string[]): fc.Arbitrary<Tree> =>
  fc.constantFrom(...names).map((name) => ({ kind: 'read', name }))

type Trees = { readonly number: Tree; readonly text: Tree; readonly truth: Tree }
type Tie = <K extends keyof Trees>(key: K) => fc.Arbitrary<Trees[K]>

const formsOf = (tie: Tie) => {
  const binary = (ops: readonly Operator[], of: keyof Trees): fc.Arbitrary<Tree> =>
    fc.record({ kind: fc.constant('binary'), op: fc.constantFrom(...ops), left: tie(of), right: tie(of) })
  const choice = (of: keyof Trees): fc.Arbitrary<Tree> =>
    fc.record({ kind: fc.constant('choice'), of: tie('truth'), yes: tie(of), no: tie(of) })
  const among = (of: 'number' | 'text'): fc.Arbitrary<Tree> =>
    fc.record({ kind: fc.constant('in'), of: tie(of), items: fc.array(tie(of), { minLength: 1, maxLength: 3 }) })
  const labels = (kind: 'label' | 'has'): fc.Arbitrary<Tree> =>
    fc.record({ kind: fc.constant(kind), name: fc.constantFrom(...Object.keys(LABELS), 'none', 'toString') })
  return { binary, choice, among, labels }
}

export const trees = fc.letrec<Trees>((tie) => {
  const { binary, choice, among, labels } = formsOf(tie)
  return {
    number: fc.oneof(
      few,
      value(number),
      read(NUMBERS),
      fc.record({ kind: fc.constantFrom('minus'), of: tie('number') }),
      fc.record({ kind: fc.constantFrom('size'), of: tie('text') }),
      binary(['+', '-', '*', '/', '%'], 'number'),
      choice('number'),
    ),
    text: fc.oneof(
      few,
      value(text),
      read(TEXTS),
      fc.constant<Tree>({ kind: 'device' }),
      labels('label'),
      binary(['+'], 'text'),
      choice('text'),
    ),
    truth: fc.oneof(
      few,
      read(TRUTHS),
      value(fc.boolean()),
      labels('has'),
      fc.record({ kind: fc.constantFrom('not'), of: tie('truth') }),
      binary(['||', '&&', '==', '!='], 'truth'),
      binary(['==', '!=', '<', '<=', '>', '>='], 'number'),
      binary(['==', '!=', '<', '<=', '>', '>='], 'text'),
      choice('truth'),
      among('number'),
      among('text'),
      fc.record({
        kind: fc.constant('method'),
        name: fc.constantFrom('startsWith', 'endsWith', 'contains'),
        of: tie('text'),
        part: tie('text'),
      }),
    ),
  }
})

const maybe = (of: fc.Arbitrary<Value>) => fc.option(of, { nil: undefined, freq: 3 })
export const state: fc.Arbitrary<State> = fc.record(
  Object.fromEntries([
    ...NUMBERS.map((name) => [
      name,
      maybe(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.double({ noNaN: true, noDefaultInfinity: true }))),
    ]),
    ...TEXTS.map((name) => [name, maybe(text)]),
    ...TRUTHS.map((name) => [name, maybe(fc.boolean())]),
  ]),
)
