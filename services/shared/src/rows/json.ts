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

/** Parses JSON and keeps the source text of every field of the name `kept`. */
export const parseJson = (text: string, kept: string): Json | Rejection => {
  const sources = new Map<unknown, string>()
  const reviver: Reviver = function (key, value, { source }) {
    if (key === kept && source !== undefined) sources.set(this, source)
    return value
  }
  try {
    const value: unknown = JSON.parse(text, reviver as Parameters<typeof JSON.parse>[1])
    return { value, sourceIn: (object) => sources.get(object) ?? '' }
  } catch (error) {
    if (/[:[,]\s*[+-]?(NaN|Infinity)\s*[,}\]]|^\s*[+-]?(NaN|Infinity)\s*$/.test(text))
      return reject('not_finite', '', 'NaN and Infinity are not JSON numbers')
    return reject('malformed_json', '', error instanceof Error ? error.message : String(error))
  }
}
