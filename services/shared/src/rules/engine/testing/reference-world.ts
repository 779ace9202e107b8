/** What the reference knows beside its devices: the clock of marks, the rules, and what was found. */
import type { RuleDocument } from '../../../alerts/rule-document.ts'
import type { AlertCause, AlertState } from '../../../alerts/transition.ts'
import type { FleetDocument } from '../../../pipeline/fleet-document.ts'
import type { Need, Value } from '../../need.ts'
import type { Detector, Labels } from '../ports.ts'
import { isNumber, type Leaf, leavesOf, type Tree } from './builders.ts'

/** What a percentile may be wrong by, and a little for rounding. */
const SKETCH_ERROR = 0.0101

const OUTAGE_MS = 30_000

/** A transition; `value` is within 1 % where `isRough`. */
export type Found = {
  readonly ruleUid: string
  readonly device: string
  readonly from: AlertState
  readonly to: AlertState
  readonly cause: AlertCause
  readonly atMicros: number
  readonly value: Value | undefined
  readonly isRough: boolean
}

export type Rule = {
  readonly uid: string
  readonly document: RuleDocument
  readonly when: Tree
  readonly clear: Tree | undefined
  readonly leaves: readonly Leaf[]
  readonly needs: readonly Need[]
  readonly valueNeed: Need | undefined
}

export type World = {
  readonly fleet: FleetDocument
  readonly detector: Detector
  readonly found: Found[]
  /** All marks, ms. */
  readonly marks: number[]
  rules: readonly Rule[]
  /** Where the count of silence stands at the last mark, ms, and where it stood at the one before it. */
  silence: number
  silenceBefore: number
  /** Whether a percentile was ever so near to its threshold that the error of a sketch decides. */
  isDoubtful: boolean
}

/** The mark in force, ms. */
export const markOf = ({ marks }: World): number | undefined => marks.at(-1)

/** The time of the stream, ms, for a row that was stored then and is read now. */
export const storing = (world: World, storedMs: number): number => Math.max(storedMs, markOf(world) ?? storedMs)

/** The same for who is heard by it: not far ahead of the mark, whatever the stream's clock says. */
export const hearing = (world: World, storedMs: number): number =>
  Math.min(storing(world, storedMs), (markOf(world) ?? storedMs) + OUTAGE_MS)

/** Time of marks, up to `ms`, that is no outage; what is behind the last mark counts. */
export const silenceAt = ({ marks }: World, ms: number): number => {
  const parts = marks.map((from, i) => {
    const to = marks[i + 1]
    if (to === undefined) return Math.max(0, ms - from)
    return to - from > OUTAGE_MS ? 0 : Math.max(0, Math.min(ms, to) - from)
  })
  return parts.reduce((a, b) => a + b, 0)
}

export const ruleOf = (document: RuleDocument): Rule => {
  const when = JSON.parse(document.when) as Tree
  const clear = document.clearWhen === undefined ? undefined : (JSON.parse(document.clearWhen) as Tree)
  const leaves = [...leavesOf(when), ...(clear ? leavesOf(clear) : [])]
  const valueNeed = leavesOf(when)
    .map(({ need }) => need)
    .find(isNumber)
  return { uid: document.uid, document, when, clear, leaves, needs: leaves.map(({ need }) => need), valueNeed }
}

export const isSelected = ({ document }: Rule, labels: Labels): boolean =>
  Object.entries(document.selector.matchLabels).every(([key, value]) => labels[key] === value)

/** Whether a percentile is so near to its threshold that the error of a sketch decides. */
export const isDoubtful = ({ leaves }: Rule, read: (need: Need) => Value | undefined): boolean =>
  leaves.some((leaf) => {
    if (leaf.need.fn !== 'percentile' || !('over' in leaf)) return false
    const exact = Number(read(leaf.need))
    return Math.abs(exact - leaf.over) <= Math.abs(exact) * SKETCH_ERROR
  })

/** Whether a transition has the value that was found, but for rounding or the error of a sketch. */
export const isNear = (actual: Value | undefined, { value, isRough }: Found): boolean => {
  if (typeof actual !== 'number' || typeof value !== 'number') return actual === value
  return Math.abs(actual - value) <= 1e-7 + Math.abs(value) * (isRough ? SKETCH_ERROR : 1e-7)
}
