/** Builders for tests: a fleet, rules in a language of their own, and the body of a message. */
import type { RuleDocument } from '../../../alerts/rule-document.ts'
import { ruleDocumentOf } from '../../../alerts/testing.ts'
import type { FleetDocument } from '../../../pipeline/fleet-document.ts'
import { fleetDocumentOf } from '../../../pipeline/testing.ts'
import type { Need, Reader, Value } from '../../need.ts'
import type { Compile, Detector, Ports } from '../ports.ts'

/** A condition as a tree; its JSON is the text of a rule. */
export type Tree =
  | { readonly need: Need; readonly over: number }
  | { readonly need: Need; readonly is: Value }
  | { readonly not: Tree }
  | { readonly all: readonly [Tree, Tree] }
  | { readonly any: readonly [Tree, Tree] }
  | { readonly throws: string }

export type Truth = boolean | undefined

const negate = (truth: Truth): Truth => (truth === undefined ? undefined : !truth)

/** As in CEL: a side that decides absorbs what is undefined in the other. */
const join = (left: Truth, right: Truth, decisive: boolean): Truth => {
  if (left === decisive || right === decisive) return decisive
  return left === undefined || right === undefined ? undefined : !decisive
}

const compare = (tree: Extract<Tree, { need: Need }>, value: Value | undefined): Truth => {
  if (value === undefined) return undefined
  return 'over' in tree ? Number(value) > tree.over : value === tree.is
}

/** What a tree says when needs have the values that `read` tells. */
export const truthOf = (tree: Tree, read: (need: Need) => Value | undefined): Truth => {
  if ('throws' in tree) throw new Error(tree.throws)
  if ('need' in tree) return compare(tree, read(tree.need))
  if ('not' in tree) return negate(truthOf(tree.not, read))
  const decisive = 'any' in tree
  const [left, right] = decisive ? tree.any : tree.all
  return join(truthOf(left, read), truthOf(right, read), decisive)
}

export type Leaf = Extract<Tree, { readonly need: Need }>

/** The comparisons of a tree, in the order of its text. */
export const leavesOf = (tree: Tree): readonly Leaf[] => {
  if ('throws' in tree) return []
  if ('need' in tree) return [tree]
  if ('not' in tree) return leavesOf(tree.not)
  return ('any' in tree ? tree.any : tree.all).flatMap(leavesOf)
}

export const needsOf = (tree: Tree): readonly Need[] => leavesOf(tree).map(({ need }) => need)

/** Whether a need is certainly a number, as the language knows by its types. */
export const isNumber = ({ fn }: Need): boolean => fn !== 'absent' && fn !== 'offline'

/** Closures over readers, without a look at the tree. */
const closure = (tree: Tree, readerOf: (need: Need) => Reader): ((device: number) => Truth) => {
  if ('throws' in tree)
    return () => {
      throw new Error(tree.throws)
    }
  if ('need' in tree) {
    const reader = readerOf(tree.need)
    return (device) => compare(tree, reader(device))
  }
  if ('not' in tree) {
    const inner = closure(tree.not, readerOf)
    return (device) => negate(inner(device))
  }
  const decisive = 'any' in tree
  const [left, right] = (decisive ? tree.any : tree.all).map((part) => closure(part, readerOf)) as [
    (device: number) => Truth,
    (device: number) => Truth,
  ]
  return (device) => join(left(device), right(device), decisive)
}

export const compile: Compile = (text, measurements) => {
  const tree = JSON.parse(text) as Tree
  const needs = needsOf(tree)
  const names = measurements.map(({ name }) => name)
  const missing = needs.find((need) => 'measurement' in need && !names.includes(need.measurement))
  if (missing && 'measurement' in missing) return { fault: { message: `unknown measurement ${missing.measurement}` } }
  const index = needs.findIndex(isNumber)
  const bind = (readers: readonly Reader[]) => closure(tree, (need) => readers[needs.indexOf(need)] as Reader)
  return { ok: { needs, valueNeed: index < 0 ? undefined : index, bind } }
}

/** A detector that remembers one number: the score is how far the reading is from the last. */
export const detector: Detector = {
  stateBytes: 8,
  create: () => new Float64Array(1),
  observe: (state, _timestampMs, value) => {
    const score = Math.min(1, Math.abs(value - (state[0] as number)) / 10)
    state[0] = value
    return score
  },
}

export const ports: Ports = {
  compile,
  detector,
  matches: ({ matchLabels }, labels) => Object.entries(matchLabels).every(([key, value]) => labels[key] === value),
  render: (template, { device, value }) =>
    template.replace('{{ device }}', device).replace('{{ value }}', String(value)),
}

const FLEET = { namespace: 'cold', name: 'reefers' }

export const fleetDocument = (changes: Partial<FleetDocument> = {}): FleetDocument =>
  fleetDocumentOf(FLEET, {
    uid: 'fleet-1',
    shards: 1,
    measurements: [
      { name: 'temperature', type: 'Double' },
      { name: 'humidity', type: 'Double' },
      { name: 'door', type: 'Symbol' },
      { name: 'open', type: 'Boolean' },
    ],
    offlineAfterMs: 30_000,
    ...changes,
  })

/** A fleet that lets readings be late. */
export const lateFleet = (allowedLatenessMs: number, changes: Partial<FleetDocument> = {}): FleetDocument => {
  const fleet = fleetDocument(changes)
  return { ...fleet, payload: { ...fleet.payload, allowedLatenessMs } }
}

type RuleChanges = Partial<Omit<RuleDocument, 'when' | 'clearWhen'>> & {
  /** As the test language has it, or as text for another compiler. */
  readonly when: Tree | string
  readonly clearWhen?: Tree
}

export const ruleDocument = ({ when, clearWhen, ...changes }: RuleChanges): RuleDocument =>
  ruleDocumentOf(FLEET, {
    ...{ name: 'too-warm', uid: 'rule-1' },
    when: typeof when === 'string' ? when : JSON.stringify(when),
    ...(clearWhen && { clearWhen: JSON.stringify(clearWhen) }),
    ...changes,
  })

export type Reading = {
  readonly device: string
  readonly micros: number
  readonly digest: number
  readonly values: Readonly<Record<string, Value>>
}

const fieldOf = ([name, value]: [string, Value]): string =>
  typeof value === 'boolean' ? `${name}=${value ? 't' : 'f'}` : `${name}=${value}`

export const lineOf = ({ device, micros, digest, values }: Reading): string => {
  const all = Object.entries(values)
  const symbols = all.filter(([, value]) => typeof value === 'string').map(([name, value]) => `,${name}=${value}`)
  const fields = all.filter(([, value]) => typeof value !== 'string').map(fieldOf)
  return `cold_reefers,device=${device}${symbols.join('')} ${[...fields, `digest=${digest}i`].join(',')} ${micros}000\n`
}

export const bodyOf = (readings: readonly Reading[]): Uint8Array => Buffer.from(readings.map(lineOf).join(''))

export type EventRow = Pick<Reading, 'device' | 'micros' | 'digest'> & {
  readonly type: string
  readonly fleet?: string
}

export const eventsBody = (events: readonly EventRow[]): Uint8Array =>
  Buffer.from(
    events
      .map(
        ({ device, type, micros, digest, fleet = 'reefers' }) =>
          `cold_events,fleet=${fleet},device=${device},type=${type},severity=low user="x, y",digest=${digest}i ${micros}000\n`,
      )
      .join(''),
  )
