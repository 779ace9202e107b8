/**
 * What an answer of QuestDB to `POST /write` means for the rows of the request, which all stand or fall together.
 *
 * - `accepted`: they are in the write-ahead log.
 * - `row_fault`: a row can't be stored as it is. Taking it out lets the others in.
 * - `suspect`: the server failed over a line (HTTP 500). A fault of the row only if its neighbours get in.
 * - `unavailable`: nothing is wrong with the rows; try again later. Whatever is not known to be about a row counts as this,
 *   because a good row may never be set aside.
 *
 * The words are those of QuestDB 9.3.1; `answer.test.ts` holds them and a journey asks the real server.
 */
import { z } from 'zod'

export type Fault = {
  /** QuestDB's words about the row. */
  readonly detail: string
  /** Column at fault, or ''. */
  readonly field: string
  /** Which line of the request, from 1, without counting blank ones. */
  readonly line: number
}

export type Answer =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'row_fault' | 'suspect'; readonly fault: Fault }
  | { readonly kind: 'unavailable'; readonly reason: string }

/** The table the rows are for, and the columns it must come to have. */
export type Target = { readonly table: string; readonly columns: readonly string[] }

const errorBody = z.object({ code: z.string(), message: z.string(), line: z.number().optional() })

/** Faults of the table, not of a row: the operator repairs them. */
const TABLE_FAULTS = [
  /table: (?<table>.*); table does not exist/,
  /table: (?<table>.*), column: (?<column>.*) does not exist/,
  /table: (?<table>.*); cannot insert in non-WAL table/,
  /table: (?<table>.*); cannot modify materialized view/,
]

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Whether the operator is going to repair it. A row for another table, or with a column the fleet doesn't declare, stays bad. */
const willBeRepaired = (detail: string, target: Target): boolean =>
  TABLE_FAULTS.some((pattern) => {
    const groups = pattern.exec(detail)?.groups
    if (!groups || !same(groups.table ?? '', target.table)) return false
    return groups.column === undefined || target.columns.some((column) => same(column, groups.column ?? ''))
  })

const PREAMBLE = /^failed to parse line protocol: ?errors encountered on line\(s\): ?/
const LINE = /^error in line \d+: /

const faultOf = ({ message, line }: { message: string; line: number }): Fault => {
  const detail = message.replace(PREAMBLE, '').trim().replace(LINE, '')
  const field = /(?:column: |Field: )([^;,]+?)(?: does not exist|[;,]|$)/.exec(detail)?.[1] ?? ''
  return { detail, field, line }
}

const json = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const answerOf = (status: number, body: string, target: Target): Answer => {
  if (status === 204 || status === 200) return { kind: 'accepted' }
  const { data } = errorBody.safeParse(json(body))
  const reason = `HTTP ${status}: ${(data?.message ?? body).trim().slice(0, 400) || 'no reason given'}`
  if (!data?.line) return { kind: 'unavailable', reason }
  const fault = faultOf({ message: data.message, line: data.line })
  if (status === 500) return { kind: 'suspect', fault }
  if (status !== 400 || data.code !== 'invalid' || willBeRepaired(fault.detail, target)) {
    return { kind: 'unavailable', reason }
  }
  return { kind: 'row_fault', fault }
}
