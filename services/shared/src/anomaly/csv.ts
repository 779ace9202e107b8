/** Just enough CSV (RFC 4180) for series: fields may be quoted, a row is a line. */

/** Longer lines are refused: nothing without a line's end may fill the memory. */
export const LONGEST_LINE = 65_536

/** The lines of a stream of text, without LF or CRLF, a byte order mark and an empty last line. */
export async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  let first = true
  for await (const chunk of chunks) {
    const lines = (first ? chunk.replace(/^\uFEFF/, '') : rest + chunk).split('\n')
    first = false
    rest = lines.pop() as string
    if (rest.length > LONGEST_LINE)
      throw new Error(`a line has more than ${LONGEST_LINE} characters; is this a CSV file?`)
    for (const line of lines) yield line.replace(/\r$/, '')
  }
  if (rest !== '') yield rest.replace(/\r$/, '')
}

const FIELD = /"((?:[^"]|"")*)"(?=,|$)|([^",]*)(?=,|$)/y

/** Throws an Error that says what is wrong with the line. */
export const fieldsOf = (line: string): string[] => {
  const fields: string[] = []
  for (FIELD.lastIndex = 0; ; FIELD.lastIndex++) {
    const start = FIELD.lastIndex
    const match = FIELD.exec(line)
    if (!match)
      throw new Error(`field ${fields.length + 1} has a stray or an open quote: ${line.slice(start, start + 40)}`)
    fields.push(match[1]?.replaceAll('""', '"') ?? (match[2] as string))
    FIELD.lastIndex = start + match[0].length
    if (FIELD.lastIndex >= line.length) return fields
  }
}

/** The fields as a line, quoted where they must be. */
export const lineOf = (fields: readonly string[]): string =>
  `${fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')}\n`
