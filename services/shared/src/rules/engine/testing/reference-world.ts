/** What the reference knows beside its devices: the clock of marks, the rules, and what was found. */
import type { RuleDocument } from '../../../alerts/rule-document.ts'
import type { AlertCause, AlertState } from '../../../alerts/transition.ts'
import type { FleetDocument } from '../../../pipeline/fleet-document.ts'
import type { Need, Value } from '../../need.ts'
import type { Detector, Labels } from '../ports.ts'
import { isNumber, type Leaf, leavesOf, type Tree } from './builders.ts'

/** What a percentile may be wrong by, and a little for rounding. */
const SKETCH_ERROR = 0.0101

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
  rules: readonly Rule[]
  /** The mark in force, ms; how much it has moved in all, without our outages, and without the last step. */
  mark: number | undefined
  elapsed: number
  silence: number
  silenceBefore: number
  /** Whether a percentile was ever so near to its threshold that the error of a sketch decides. */
  isDoubtful: boolean
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
