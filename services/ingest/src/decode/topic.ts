/**
 * Topics matched on bytes. A pattern such as `sensors/{device}/{measurement}` is cut into the literal runs around its
 * placeholders; a placeholder takes one whole level. `+` takes a level without keeping it, a final `#` takes the rest.
 */
import { bytesOf, SLASH } from './ascii.ts'

type Placeholder = 'device' | 'measurement' | 'any' | 'rest'

const PLACEHOLDERS: Readonly<Record<string, Placeholder>> = {
  '{device}': 'device',
  '{measurement}': 'measurement',
  '+': 'any',
  '#': 'rest',
}

/** Where the placeholders of the last match lie in the topic's bytes. A start of -1: not in the pattern. */
export type TopicParts = {
  deviceStart: number
  deviceEnd: number
  measurementStart: number
  measurementEnd: number
}

export const topicParts = (): TopicParts => ({
  deviceStart: -1,
  deviceEnd: -1,
  measurementStart: -1,
  measurementEnd: -1,
})

export type TopicPattern = {
  /** `literals[i]` stands before `placeholders[i]`; the last literal ends the topic. */
  readonly literals: readonly Uint8Array[]
  readonly placeholders: readonly Placeholder[]
  /** Whether the pattern holds `{measurement}`: one value per message. */
  readonly scalar: boolean
}

export const compilePattern = (pattern: string): TopicPattern => {
  const literals: string[] = ['']
  const placeholders: Placeholder[] = []
  pattern.split('/').forEach((level, i) => {
    const placeholder = PLACEHOLDERS[level]
    const separator = i === 0 ? '' : '/'
    literals[literals.length - 1] += placeholder ? separator : separator + level
    if (!placeholder) return
    placeholders.push(placeholder)
    literals.push('')
  })
  return { literals: literals.map(bytesOf), placeholders, scalar: placeholders.includes('measurement') }
}

const startsWith = (bytes: Uint8Array, at: number, literal: Uint8Array): boolean => {
  for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false
  return true
}

const levelEnd = (bytes: Uint8Array, at: number, end: number): number => {
  let to = at
  while (to < end && bytes[to] !== SLASH) to++
  return to
}

const keep = (parts: TopicParts, placeholder: Placeholder, start: number, end: number): void => {
  if (placeholder === 'device') {
    parts.deviceStart = start
    parts.deviceEnd = end
  } else if (placeholder === 'measurement') {
    parts.measurementStart = start
    parts.measurementEnd = end
  }
}

/** Whether the topic `bytes[range)` matches; the places of its parts are left in `parts`. */
export const matchTopic = (
  pattern: TopicPattern,
  bytes: Uint8Array,
  range: { readonly topicStart: number; readonly topicEnd: number },
  parts: TopicParts,
): boolean => {
  const { literals, placeholders } = pattern
  const end = range.topicEnd
  let at = range.topicStart
  for (let i = 0; i < placeholders.length; i++) {
    const literal = literals[i] as Uint8Array
    if (at + literal.length > end || !startsWith(bytes, at, literal)) return false
    at += literal.length
    const placeholder = placeholders[i] as Placeholder
    const to = placeholder === 'rest' ? end : levelEnd(bytes, at, end)
    keep(parts, placeholder, at, to)
    at = to
  }
  const last = literals[placeholders.length] as Uint8Array
  return at + last.length === end && startsWith(bytes, at, last)
}
