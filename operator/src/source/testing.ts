/** The cases of crds/cel-cases.yaml: what every judge of resources is held against. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Kind } from './source.ts'

export type Fields = Record<string, unknown>

/** `set` and `old` are fields by their path; `old` makes it an update. `expect` holds the start of each message. */
export type CelCase = {
  readonly case: string
  readonly kind: Kind
  readonly set: Fields
  readonly old?: Fields
  readonly expect: readonly string[]
}

const table = parse(readFileSync(join(import.meta.dirname, '../../../crds/cel-cases.yaml'), 'utf8')) as {
  readonly bases: Readonly<Record<Kind, Fields>>
  readonly cases: readonly CelCase[]
}

export const CEL_CASES = table.cases

const setAt = (target: Fields, path: readonly string[], value: unknown): void => {
  const [key, ...rest] = path as [string, ...string[]]
  if (rest.length === 0) target[key] = value
  else {
    target[key] ??= {}
    setAt(target[key] as Fields, rest, value)
  }
}

/** The base of the kind with these fields. */
export const caseResource = (kind: Kind, set: Fields): Fields => {
  const made = structuredClone(table.bases[kind])
  for (const [path, value] of Object.entries(set)) setAt(made, path.split('.'), value)
  return made
}
