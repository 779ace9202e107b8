/** What is wrong in a text that a person wrote, where, and what would be right. */

/** Part of a text: offsets in UTF-16 units, `end` exclusive. */
export type Span = { readonly start: number; readonly end: number }

/** Lines and columns count from 1, in UTF-16 units. A fault at the end of the text has no length. */
export type Fault = {
  /** In a person's words, position and advice included. */
  readonly message: string
  readonly line: number
  readonly column: number
  readonly length: number
}

/** Thrown and caught inside this folder only: the public functions return a `Fault`. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly span: Span
  readonly hint: string | undefined

  constructor(what: string, span: Span, hint?: string) {
    super(what)
    this.span = span
    this.hint = hint
  }
}

/** @throws Refused always. */
export const refuse = (what: string, span: Span, hint?: string): never => {
  throw new Refused(what, span, hint)
}

const MAX_SHOWN = 60

/** A piece of what a person wrote, fit for a message: without control characters, and not long. */
export const shown = (piece: string): string => {
  const clean = piece.replace(/\p{C}/gu, ' ')
  return clean.length > MAX_SHOWN ? `${clean.slice(0, MAX_SHOWN).toWellFormed()}…` : clean
}

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high)

/** The fault for a refusal of a part of `text`. */
export const faultIn = (text: string, { message, span, hint }: Refused): Fault => {
  const start = clamp(span.start, 0, text.length)
  const end = clamp(span.end, start, text.length)
  const before = text.slice(0, start).split('\n')
  const line = before.length
  const column = (before.at(-1) ?? '').length + 1
  const advice = hint === undefined ? '' : `; ${hint}`
  return { message: `${message} at line ${line}, column ${column}${advice}`, line, column, length: end - start }
}

/** What `make` returns, or the fault for what it refused. */
export const faultOr = <T>(text: string, make: () => T): { ok: T } | { fault: Fault } => {
  try {
    return { ok: make() }
  } catch (error) {
    if (error instanceof Refused) return { fault: faultIn(text, error) }
    throw error
  }
}
