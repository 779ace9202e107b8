/**
 * The language of rules: the part of CEL that makes sense over one device's history, compiled to closures.
 *
 * The text is parsed (`syntax.ts`) and walked once, left to right. Each kind of node has a form (`forms.ts`), which checks the types
 * of what is under it and gives code. A call of a function becomes a need (`functions.ts`); equal needs are one. What differs from CEL:
 *
 * - Numbers are of one kind, doubles, as readings are: 7 / 2 is 3.5, and `last(count) > 5` compares a Long with a 5. `%` is the
 *   remainder with the sign of the left side. A result that is not finite is an error, and so is a text of more than 1,024 characters.
 * - A function takes the bare name of a measurement; windows, quantiles, types of events and patterns are literals.
 * - A list stands only to the right of `in`; there are no maps, loops, conversions, timestamps.
 *
 * Evaluation does not throw: an error of CEL, such as a missing reading or label or a division by zero, is `undefined`, and
 * `&&`, `||` and `?:` absorb it as in CEL.
 */
import type { Need, Reader } from '../need.ts'
import type { DeviceScope } from './code.ts'
import { type Fault, faultOr, refuse } from './fault.ts'
import { compile } from './forms.ts'
import { typeOf } from './functions.ts'
import { agrees, type Part, type Schema, type Scope, scopeOf, wordsFor } from './scope.ts'
import { parse } from './syntax.ts'

export type { DeviceScope } from './code.ts'
export type { Fault } from './fault.ts'
export type { Schema } from './scope.ts'

export type Expression = {
  /** Without repeats, in the order of the text; at most MAX_NEEDS. */
  readonly needs: readonly Need[]
  /** Index of the first need that gives a number. */
  readonly valueNeed: number | undefined
  /** Measurements that are read, without repeats. */
  readonly reads: readonly string[]
  /**
   * The expression over these readers, one per need in their order.
   * @throws RangeError when a reader is missing.
   */
  readonly bind: (readers: readonly Reader[], scope: DeviceScope) => (device: number) => boolean | undefined
}

/**
 * A condition.
 * @throws Refused.
 */
const condition = (text: string, scope: Scope): Part => {
  const part = compile(parse(text), scope)
  const whole = { start: 0, end: text.length }
  if (!agrees(part.type, 'truth'))
    return refuse(
      `the expression is ${wordsFor(part.type)} and not a condition`,
      whole,
      part.type === 'number' ? `compare it, as in ${COMPARED}` : "compare it, as in last(door) == 'open'",
    )
  if (scope.needs.length > 0) return part
  return refuse('the expression reads nothing of the device', whole, `it needs a function, as in ${COMPARED}`)
}

const COMPARED = "avg(temperature, '5m') > 8"

const indexOrNone = (index: number): number | undefined => (index < 0 ? undefined : index)

/** The expression in `text` over devices with these measurements, or the first thing that is wrong with it. Never throws. */
export const compileExpression = (text: string, schema: Schema): { ok: Expression } | { fault: Fault } =>
  faultOr(text, () => {
    const scope = scopeOf(schema)
    const { code } = condition(text, scope)
    const { needs } = scope
    return {
      needs,
      valueNeed: indexOrNone(needs.findIndex((need) => typeOf(need, scope) === 'number')),
      reads: [...new Set(needs.flatMap((need) => ('measurement' in need ? [need.measurement] : [])))],
      bind: (readers, device) => code({ readers, scope: device }) as (device: number) => boolean | undefined,
    }
  })

const SILENCES: ReadonlySet<Need['fn']> = new Set(['absent', 'offline'])

/** Whether an expression without faults reads nothing but silence, so that no reading ever makes it hold. Never throws. */
export const readsOnlySilence = (text: string): boolean => {
  const result = faultOr(text, () => {
    const scope = scopeOf(undefined)
    condition(text, scope)
    return scope.needs
  })
  return 'ok' in result && result.ok.every(({ fn }) => SILENCES.has(fn))
}

/** What is wrong with an expression; without a schema only what can be told without one. Never throws. */
export const checkExpression = (text: string, schema: Schema | undefined): Fault | undefined => {
  const result = faultOr(text, () => condition(text, scopeOf(schema)))
  return 'fault' in result ? result.fault : undefined
}
