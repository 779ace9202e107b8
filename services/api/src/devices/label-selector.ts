/**
 * Label selectors as in Kubernetes: requirements joined by commas, all of which must hold.
 *
 *     cargo=vaccine,site!=oslo,tier in (a,b),zone notin (x),gps,!legacy
 */
import { z } from 'zod'

export type Labels = Readonly<Record<string, string>>

export class SelectorError extends Error {
  override name = 'SelectorError'
}

type Requirement = (labels: Labels) => boolean

const KEY = '(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?'
const VALUE = '(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?'
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`)
const EQUALS = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`)
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`)
const ONE_VALUE = new RegExp(`^${VALUE}$`)

/** Commas inside parentheses belong to a set. */
const split = (selector: string): string[] => selector.split(/,(?![^(]*\))/).map((part) => part.trim())

const has = (labels: Labels, key: string): boolean => Object.hasOwn(labels, key)

const setOf = (text: string, part: string): Set<string> => {
  const values = text.split(',').map((value) => value.trim())
  const wrong = values.find((value) => !ONE_VALUE.test(value))
  if (wrong !== undefined)
    throw new SelectorError(`${JSON.stringify(wrong)} in ${JSON.stringify(part)} is no label value`)
  return new Set(values)
}

const requirement = (part: string): Requirement => {
  const [, not, present] = EXISTS.exec(part) ?? []
  if (present !== undefined) return (labels) => has(labels, present) === (not === '')
  const [, key = '', operator, value = ''] = EQUALS.exec(part) ?? []
  if (operator === '!=') return (labels) => !has(labels, key) || labels[key] !== value
  if (operator !== undefined) return (labels) => has(labels, key) && labels[key] === value
  const [, member = '', membership, list = ''] = SET.exec(part) ?? []
  if (membership === undefined)
    throw new SelectorError(
      `${JSON.stringify(part)} is none of key, !key, key=value, key!=value, key in (a,b), key notin (a,b)`,
    )
  const values = setOf(list, part)
  if (membership === 'in') return (labels) => has(labels, member) && values.has(labels[member] as string)
  return (labels) => !has(labels, member) || !values.has(labels[member] as string)
}

/**
 * Whether labels match; an empty selector matches all.
 * @throws SelectorError naming the part that can't be read.
 */
export const parseSelector = (selector: string): Requirement => {
  if (selector.trim() === '') return () => true
  const requirements = split(selector).map(requirement)
  return (labels) => requirements.every((holds) => holds(labels))
}

/** A label selector as a parameter of a query. */
export const labelSelector = z
  .string()
  .max(1024)
  .transform((text, context) => {
    try {
      return parseSelector(text)
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error
      context.addIssue({ code: 'custom', message: error.message, input: text })
      return z.NEVER
    }
  })
