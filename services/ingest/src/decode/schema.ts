/** What a value must be for its measurement. */
import { type Rejection, reject } from '@fleetloom/shared/rows/rejection'
import type { Field } from './plan.ts'

/** Longest Symbol or String, in UTF-8 bytes. */
export const MAX_TEXT_BYTES = 1024

const show = (value: unknown): string => {
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value)
  return text.length > 64 ? `${text.slice(0, 64)}…` : text
}

const checkNumber = (field: Field, value: number): Rejection | undefined => {
  if (!Number.isFinite(value)) return reject('not_finite', field.name, 'the number is beyond what a double can hold')
  if (field.type === 'Long' && !Number.isSafeInteger(value))
    return reject('wrong_type', field.name, `${show(value)} is not a whole number within ±9007199254740991`)
  if (value < field.minimum) return reject('out_of_range', field.name, `${show(value)} is below ${field.minimum}`)
  if (value > field.maximum) return reject('out_of_range', field.name, `${show(value)} is above ${field.maximum}`)
  return undefined
}

const checkText = (field: Field, value: string): Rejection | undefined => {
  if (Buffer.byteLength(value) > MAX_TEXT_BYTES)
    return reject('wrong_type', field.name, `the text is longer than ${MAX_TEXT_BYTES} bytes`)
  // The database's line protocol has no way to write it in a symbol.
  if (field.type === 'Symbol' && value.includes('\0'))
    return reject('wrong_type', field.name, 'a Symbol can not hold NUL')
  return undefined
}

const JAVASCRIPT_TYPE = {
  Double: 'number',
  Long: 'number',
  Boolean: 'boolean',
  Symbol: 'string',
  String: 'string',
} as const

/** Why `value` is no value of `field`; undefined when it is. */
export const check = (field: Field, value: unknown): Rejection | undefined => {
  if (typeof value !== JAVASCRIPT_TYPE[field.type])
    return reject('wrong_type', field.name, `${show(value)} is not a ${field.type}`)
  if (typeof value === 'number') return checkNumber(field, value)
  return typeof value === 'string' ? checkText(field, value) : undefined
}
