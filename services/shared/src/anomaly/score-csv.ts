import { fieldsOf, lineOf, linesOf } from './csv.ts'
import { observe } from './detector.ts'
import { initialState } from './state.ts'

export type Columns = { readonly timestamp: string; readonly value: string }

const HEADER = ['timestamp', 'value', 'anomaly_score']
const MOMENT = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?(Z|[+-]\d\d:?\d\d)?$/

/** ISO 8601, with a blank for the T if need be and in UTC unless it says otherwise, or milliseconds since 1970; else NaN. */
const timestampOf = (text: string): number => {
  if (/^-?\d{1,16}$/.test(text)) return Number(text)
  const [, day, time = '00:00', zone = 'Z'] = MOMENT.exec(text) ?? []
  return day === undefined ? Number.NaN : Date.parse(`${day}T${time}${zone}`)
}

const readingOf = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text))

type Cell = { readonly line: number; readonly column: string; readonly text: string | undefined }

const numberIn = ({ line, column, text }: Cell, parse: (text: string) => number, expected: string): number => {
  const number = text === undefined ? Number.NaN : parse(text)
  if (Number.isFinite(number)) return number
  const found = text === undefined ? 'there is no such field' : `${JSON.stringify(text)} is not ${expected}`
  throw new Error(`line ${line}, column ${column}: ${found}; correct or remove the row`)
}

const inLine = <T>(line: number, read: () => T): T => {
  try {
    return read()
  } catch (error) {
    throw new Error(`line ${line}: ${error instanceof Error ? error.message : error}`)
  }
}

const indexIn = (header: readonly string[], column: string): number => {
  const index = header.findIndex((name) => name.trim() === column)
  if (index < 0) throw new Error(`line 1: no column ${column} among ${header.join(', ') || 'none'}`)
  return index
}

/**
 * Scores one series: a CSV text with a header and the two columns in time order, others ignored, to a CSV text with the columns
 * `timestamp,value,anomaly_score`. Timestamp and value are written as they were read. Throws an Error at the first bad row,
 * naming line, column and value; the rows before it were given.
 */
export async function* scoreCsv(chunks: AsyncIterable<string>, columns: Columns): AsyncGenerator<string> {
  const state = initialState()
  let at: { timestamp: number; value: number } | undefined
  let line = 0
  for await (const text of linesOf(chunks)) {
    line++
    const fields = inLine(line, () => fieldsOf(text))
    if (!at) {
      at = { timestamp: indexIn(fields, columns.timestamp), value: indexIn(fields, columns.value) }
      yield lineOf(HEADER)
    } else if (text.trim() !== '') {
      const [timestamp, value] = [fields[at.timestamp], fields[at.value]]
      const moment = numberIn({ line, column: columns.timestamp, text: timestamp }, timestampOf, 'a date and time')
      const number = numberIn({ line, column: columns.value, text: value }, readingOf, 'a number')
      yield lineOf([timestamp ?? '', value ?? '', observe(state, moment, number).toFixed(9)])
    }
  }
  if (!at) throw new Error(`line 1: no header; expected the columns ${columns.timestamp} and ${columns.value}`)
}
