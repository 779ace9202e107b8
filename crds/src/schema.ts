/** Pieces that the schemas of the kinds are made of. Only what Kubernetes keeps: see `openapi.ts`. */
import { z } from 'zod'
import { CONDITION_TYPES } from './conditions.ts'
import {
  celBytes,
  celMs,
  DURATION,
  DURATION_LENGTH,
  durationMs,
  QUANTITY,
  QUANTITY_LENGTH,
  quantityBytes,
} from './units.ts'

/** A CEL rule of a CRD and what it says when it does not hold. */
export type Rule = { readonly rule: string; readonly message: string }

type RuleText = readonly [rule: string, message: string]

export const rules = (...all: readonly RuleText[]) => ({
  'x-kubernetes-validations': all.map(([rule, message]): Rule => ({ rule, message })),
})

/** A list without repetitions. */
export const SET = { 'x-kubernetes-list-type': 'set' } as const

/** A list whose items are told apart by `key`. */
export const listMap = (key: string) =>
  ({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] }) as const

/** A duration from `min` to `max`, both included. */
export const duration = (min: string, max: string, ...more: readonly RuleText[]) => {
  const ms = celMs('self')
  const range = `${ms} >= ${durationMs(min)} && ${ms} <= ${durationMs(max)}`
  return z
    .string()
    .max(DURATION_LENGTH)
    .regex(DURATION)
    .meta(rules([range, `must be from ${min} to ${max}`], ...more))
}

/** A quantity of bytes from `min` to `max`, both included. */
export const quantity = (min: string, max: string) => {
  const bytes = celBytes('self')
  const range = `${bytes} >= ${quantityBytes(min)} && ${bytes} <= ${quantityBytes(max)}`
  return z
    .string()
    .max(QUANTITY_LENGTH)
    .regex(QUANTITY)
    .meta(rules([range, `must be from ${min} to ${max}`]))
}

/** Labels or annotations: a map of short strings. */
export const stringMap = (maxProperties: number, maxLength: number) =>
  z.record(z.string(), z.string().max(maxLength)).meta({ maxProperties })

const time = () => z.string().max(40).meta({ format: 'date-time' })
const count = () => z.int().min(0).max(1_000_000_000)

export const observedGeneration = count().optional().describe('Generation of the spec that this status speaks of.')

export const conditions = z
  .array(
    z
      .object({
        type: z
          .string()
          .max(64)
          .describe(`What the condition speaks of: ${CONDITION_TYPES.join(', ')}.`),
        status: z.enum(['True', 'False', 'Unknown']).describe('Whether it is so.'),
        reason: z.string().max(64).describe('One word for the cause; also the reason of the event that reports it.'),
        message: z.string().max(4096).describe('What is wrong and what to do, in words.'),
        observedGeneration: count().optional().describe('Generation of the spec that the condition speaks of.'),
        lastTransitionTime: time().describe('When status last changed.'),
      })
      .describe('One thing that is so, or is not.'),
  )
  .max(32)
  .meta(listMap('type'))
  .optional()
  .describe('What is so and what is not, and why.')

export const counted = (description: string) => count().optional().describe(description)
export const instant = (description: string) => time().optional().describe(description)
