/** CSV as QuestDB writes it, read as it comes: texts in quotes, a quote in them doubled, `""` for an empty text, nothing for null. */

/** Longest record, in UTF-16 units. */
const MAX_RECORD = 4 * 1024 * 1024

export type CsvRecord = readonly (string | undefined)[]

const QUOTED = /^"(?:[^"]|"")*"$/

const fieldOf = (text: string): string | undefined => {
  if (text === '') return undefined
  return QUOTED.test(text) ? text.slice(1, -1).replaceAll('""', '"') : text
}

/** Fields of a record with quotes: a comma between two quotes belongs to the text. */
const quotedFields = (record: string): CsvRecord => {
  const fields: (string | undefined)[] = []
  let [start, isInside] = [0, false]
  for (let at = 0; at < record.length; at++) {
    if (record[at] === '"') isInside = !isInside
    else if (record[at] === ',' && !isInside) {
      fields.push(fieldOf(record.slice(start, at)))
      start = at + 1
    }
  }
  return [...fields, fieldOf(record.slice(start))]
}

const fieldsOf = (line: string): CsvRecord => {
  const record = line.endsWith('\r') ? line.slice(0, -1) : line
  return record.includes('"') ? quotedFields(record) : record.split(',').map((text) => text || undefined)
}

const hasOpenQuote = (piece: string): boolean => {
  let isOpen = false
  for (let at = piece.indexOf('"'); at >= 0; at = piece.indexOf('"', at + 1)) isOpen = !isOpen
  return isOpen
}

/** Where the record that begins at `start` ends; -1 when its end has not come yet. */
const endOf = (text: string, start: number): number => {
  let end = text.indexOf('\n', start)
  while (end >= 0 && hasOpenQuote(text.slice(start, end))) end = text.indexOf('\n', end + 1)
  return end
}

export class CsvReader {
  #rest = ''

  /** The records that are whole with this text. @throws RangeError for a record without end. */
  push(text: string): CsvRecord[] {
    const all = this.#rest + text
    const records: CsvRecord[] = []
    let start = 0
    for (let end = endOf(all, start); end >= 0; end = endOf(all, start)) {
      records.push(fieldsOf(all.slice(start, end)))
      start = end + 1
    }
    this.#rest = all.slice(start)
    if (this.#rest.length > MAX_RECORD) throw new RangeError(`a record of CSV is longer than ${MAX_RECORD}`)
    return records
  }

  /** @throws RangeError when the text broke off within a record. */
  end(): void {
    if (this.#rest !== '') throw new RangeError('the CSV breaks off within a record')
  }
}
