/** What is known while an expression is compiled, and what the compiled parts are. */

import { MAX_STEPS } from '../../pattern.ts'
import type { Measurement } from '../../pipeline/fleet-document.ts'
import type { Need } from '../need.ts'
import type { Code } from './code.ts'
import { refuse, type Span } from './fault.ts'

/** The measurements of a fleet. */
export type Schema = readonly Pick<Measurement, 'name' | 'type'>[]

/** `any` only where no schema is known: it agrees with every type, and nothing of it is ever run. */
export type Type = 'number' | 'text' | 'truth' | 'any'

export type Part = { readonly type: Type; readonly code: Code }

/** Different needs of one expression: each is state that every device pays for. */
export const MAX_NEEDS = 32

/** Patterns of one expression, which together may have MAX_STEPS: matching is by far the dearest step. */
const MAX_PATTERNS = 4

export type Scope = {
  /** By name; undefined while the fleet is not known. */
  readonly measurements: ReadonlyMap<string, Measurement['type']> | undefined
  /** Index of a need, new or equal to one before. */
  readonly indexOf: (need: Need, span: Span) => number
  readonly needs: readonly Need[]
  /** Counts a pattern of so many steps. */
  readonly addPattern: (steps: number, span: Span) => void
}

export const scopeOf = (schema: Schema | undefined): Scope => {
  const needs: Need[] = []
  const indexes = new Map<string, number>()
  let patterns = 0
  let allSteps = 0
  return {
    measurements: schema && new Map(schema.map(({ name, type }) => [name, type])),
    needs,
    addPattern: (steps, span) => {
      patterns++
      allSteps += steps
      if (patterns > MAX_PATTERNS) refuse(`the expression has more than ${MAX_PATTERNS} patterns`, span)
      if (allSteps > MAX_STEPS)
        refuse(
          `the patterns of the expression repeat too much (${allSteps} steps, at most ${MAX_STEPS})`,
          span,
          'split it into several rules',
        )
    },
    indexOf: (need, span) => {
      const key = JSON.stringify(need)
      const known = indexes.get(key)
      if (known !== undefined) return known
      if (needs.length === MAX_NEEDS)
        return refuse(
          `the expression reads more than ${MAX_NEEDS} different values`,
          span,
          'split it into several rules',
        )
      indexes.set(key, needs.length)
      return needs.push(need) - 1
    },
  }
}

export const TYPE_OF = { Double: 'number', Long: 'number', Boolean: 'truth', Symbol: 'text', String: 'text' } as const

const TYPE_WORDS = { number: 'a number', text: 'a text', truth: 'a truth value', any: 'an unknown value' } as const

export const wordsFor = (type: Type): string => TYPE_WORDS[type]

export const agrees = (type: Type, wanted: Type): boolean => type === wanted || type === 'any' || wanted === 'any'
