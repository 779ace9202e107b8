/** JSON of messages: parsed such that the source text of timestamps is kept, which a double would round. */
import { type Rejection, reject } from './rejection.ts'

export type Json = {
  readonly value: unknown
  /** Source text of the kept field of an object of `value`; '' when it is no primitive. */
  readonly sourceIn: (object: unknown) => string
}

/** TypeScript does not know the third parameter yet (ECMA proposal "JSON.parse source text access", in V8 since 11.4). */
type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown

const decoder = new TextDecoder('utf-8', { fatal: true })

/** The text of UTF-8; undefined when it is none. */
export const utf8Text = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** With a reviver, which sees every field: slow, and right for any text. */
const parseEvery = (text: string, kept: string): Json => {
  const sources = new Map<unknown, string>()
  const reviver: Reviver = function (key, value, { source }) {
    if (key === kept && source !== undefined) sources.set(this, source)
    return value
  }
  const value: unknown = JSON.parse(text, reviver as Parameters<typeof JSON.parse>[1])
  return { value, sourceIn: (object) => sources.get(object) ?? '' }
}

const PRIMITIVE = /\s*:\s*("[^"]*"|[^\s,}"[{]+)/y

const isObjectWith = (object: unknown, key: string): boolean =>
  typeof object === 'object' && object !== null && Object.hasOwn(object, key)

/**
 * In a text without a backslash a field has one spelling. When that stands there once, it is the only field of the name, and its
 * source is what follows it.
 */
const parseLone = (text: string, at: number, kept: string): Json => ({
  value: JSON.parse(text),
  sourceIn: (object) => {
    PRIMITIVE.lastIndex = at
    return isObjectWith(object, kept) ? (PRIMITIVE.exec(text)?.[1] ?? '') : ''
  },
})

const parse = (text: string, kept: string): Json => {
  const quoted = JSON.stringify(kept)
  const at = text.indexOf(quoted)
  const isLone = at >= 0 && !text.includes('\\') && text.indexOf(quoted, at + 1) < 0
  return isLone ? parseLone(text, at + quoted.length, kept) : parseEvery(text, kept)
}

/** Parses JSON and keeps the source text of every field of the name `kept`. */
export const parseJson = (text: string, kept: string): Json | Rejection => {
  try {
    return parse(text, kept)
  } catch (error) {
    if (/[:[,]\s*[+-]?(NaN|Infinity)\s*[,}\]]|^\s*[+-]?(NaN|Infinity)\s*$/.test(text))
      return reject('not_finite', '', 'NaN and Infinity are not JSON numbers')
    return reject('malformed_json', '', error instanceof Error ? error.message : String(error))
  }
}
